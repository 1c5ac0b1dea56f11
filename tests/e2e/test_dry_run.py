"""`--dry-run` of every stage's command says what the command does then, and writes to no folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from curate.core import registry
from curate.core.stage import adds_only
from tests.e2e.conftest import Curate, draw, pipeline

COMMANDS: dict[str, tuple[str, ...]] = {
    "balance": (),
    "captions": ("--blacklist", "dark"),
    "convert": ("--in-place", "--background", "black"),
    "crop": ("--in-place",),
    "dedupe": ("--in-place",),
    "denoise": ("--in-place",),
    "export": ("-o", "OUT"),
    "flip": ("--in-place", "--pictures", "0.png"),
    "marks": ("--in-place",),
    "prune": ("--implications", "danbooru"),
    "resize": ("--in-place", "--max-side", "48"),
    "split": ("--in-place",),
    "tag": ("--tagger", "palette", "--existing", "replace"),
    "trigger": ("--words", "my dog"),
    "upscale": ("--in-place", "--model", "lanczos", "--size", "128"),
}


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file and folder, the ledger's too, with the digest of its content."""
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "folder"
        for p in sorted(folder.rglob("*"))
    }


def texts(folder: Path) -> dict[str, str]:
    return {p.stem: p.read_text(encoding="utf-8").rstrip() for p in folder.rglob("*.txt") if ".curate" not in p.parts}


def findings(done: Any) -> dict[str, Any]:
    return json.loads(done.stdout)["findings"]


@pytest.fixture
def prepared(tmp_path: Path, raw: Path, curate: Curate) -> Path:
    """A prepared folder with a caption edited by hand, which no run has seen yet."""
    curate("run", pipeline(tmp_path, raw), "--quiet")
    (tmp_path / "prepared/1_zwx dog/1.txt").write_text("mine, dark", encoding="utf-8")
    return tmp_path / "prepared"


def test_every_stage_that_writes_to_a_folder_is_tried() -> None:
    assert set(COMMANDS) == {name for name in registry.stage_names() if not adds_only(registry.stage(name))}


@pytest.mark.parametrize("stage", COMMANDS)
@pytest.mark.parametrize("known", [True, False], ids=["prepared", "raw"])
def test_no_byte_changes(
    stage: str, known: bool, request: pytest.FixtureRequest, tmp_path: Path, curate: Curate
) -> None:
    source: Path = request.getfixturevalue("prepared" if known else "raw")
    given = [str(tmp_path / "out") if word == "OUT" else word for word in COMMANDS[stage]]
    before = fingerprint(tmp_path)
    found = findings(curate(stage, source, *given, "--dry-run", "--json"))
    assert fingerprint(tmp_path) == before
    assert found["dry_run"] is True
    assert set(found) == {"dry_run", "out", "captions", "pictures", "aside", "folders"}


@pytest.mark.parametrize("stage", ["captions", "tag", "trigger", "prune", "balance", "resize", "convert"])
def test_it_says_what_the_command_does(stage: str, prepared: Path, curate: Curate) -> None:
    before, pictures = texts(prepared), _pictures(prepared)
    found = findings(curate(stage, prepared, *COMMANDS[stage], "--dry-run", "--json"))
    curate(stage, prepared, *COMMANDS[stage])
    after, made = texts(prepared), _pictures(prepared)
    changed = {Path(c["picture"]).stem: (c["before"], c["after"]) for c in found["captions"]}
    names = before.keys() | after.keys()
    assert changed == {
        name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    }
    assert {p["file"] for p in found["pictures"]} == {path for path, data in made.items() if pictures.get(path) != data
                                                      and data not in pictures.values()}  # fmt: skip
    assert {f["to"] for f in found["folders"]} == {p.name for p in prepared.iterdir() if p.name != ".curate"} - {
        path.partition("/")[0] for path in pictures
    }


def _pictures(folder: Path) -> dict[str, bytes]:
    found = (p for p in folder.rglob("*.png") if ".curate" not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def test_captions_before_and_after_and_nothing_of_an_edit(prepared: Path, curate: Curate) -> None:
    text = (prepared / "1_zwx dog/2.txt").read_text(encoding="utf-8").rstrip()
    last = text.rpartition(", ")[2]
    done = curate("captions", prepared, "--blacklist", last.replace(" ", "_"), "--blacklist", "mine", "--dry-run")
    lines = done.stdout.splitlines()
    place = lines.index("  dog/2.png")
    assert lines[place + 1 : place + 3] == [f"    - {text}", f"    + {text.removesuffix(', ' + last)}"]
    assert "dog/1.png" not in done.stdout
    assert lines[-1] == "dry run: nothing was written"


def test_twenty_are_shown_and_the_others_counted(tmp_path: Path, curate: Curate) -> None:
    for n in range(23):
        draw(tmp_path / "raw/dog" / f"{n:02}.png", n)
    done = curate("trigger", tmp_path / "raw", "--words", "zwx dog", "--in-place", "--dry-run")
    assert "23 captions would change:" in done.stdout
    assert done.stdout.count("    + zwx dog") == 20
    assert "  and 3 more; --json names all" in done.stdout
    whole = findings(curate("trigger", tmp_path / "raw", "--words", "zwx dog", "--in-place", "--dry-run", "--json"))
    assert [(c["before"], c["after"]) for c in whole["captions"]] == [(None, "zwx dog")] * 23


def test_what_would_be_set_aside_renamed_and_made(raw: Path, curate: Curate) -> None:
    Image.open(raw / "dog/0.png").save(raw / "dog/copy.png")
    aside = curate("dedupe", raw, "--in-place", "--dry-run").stdout
    assert "1 picture would be set aside:" in aside and "duplicate of" in aside
    renamed = curate("balance", raw, "--in-place", "--dry-run").stdout
    assert "  blue robe -> 3_blue robe (2 pictures)" in renamed
    made = curate("resize", raw, "--max-side", "48", "--in-place", "--dry-run").stdout
    assert "7 pictures would be made anew:" in made and "  dog/0.png (48×32)" in made
    assert "7 pictures would be written to" in curate("export", raw, "-o", raw.parent / "out", "--dry-run").stdout


@pytest.mark.parametrize("stage", [name for name in COMMANDS if name != "export"])
def test_any_folder_can_be_tried(stage: str, raw: Path, curate: Curate) -> None:
    """A dry run writes nothing, so it needs no --in-place, also where the command would."""
    given = [word for word in COMMANDS[stage] if word != "--in-place"]
    before = fingerprint(raw.parent)
    done = curate(stage, raw, *given, "--dry-run")
    assert "dry run: nothing was written" in done.stdout
    assert "  would prepare " in done.stderr and "next" not in done.stderr
    assert fingerprint(raw.parent) == before
    curate(stage, raw, *given, code=2)


def test_nothing_to_do_is_said(prepared: Path, curate: Curate) -> None:
    assert curate("balance", prepared, "--dry-run").stdout.splitlines()[0] == "nothing would change"


def test_a_folder_that_a_killed_command_left_is_refused_untouched(prepared: Path, curate: Curate) -> None:
    journal = prepared / ".curate/undo/0001"
    journal.mkdir(parents=True)
    (journal / "journal.json").write_text(json.dumps({"command": "prune work", "when": "", "rows": []}), "utf-8")
    before = fingerprint(prepared)
    done = curate("captions", prepared, "--blacklist", "dark", "--dry-run", code=2)
    assert "was killed before it was done" in done.stderr
    assert fingerprint(prepared) == before


def test_stages_that_write_nothing_do_not_offer_it(raw: Path, curate: Curate) -> None:
    for stage in ("inspect", "train"):
        assert "No such option: --dry-run" in curate(stage, raw, "--dry-run", code=2).stderr
