"""`curate tags …` on real folders: bulk edits, hand edits, dry runs, undo; and what the other commands print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from curate import drive, tags_edit
from curate.cli.models import app as models_app
from curate.cli.models import model_rows
from curate.cli.tags import app
from curate.core.lock import run_lock
from curate.core.stage import Concept
from curate.errors import InputError, LockedError, MissingError
from curate.stages.captions import Captions
from curate.stages.tag import Tag
from curate.stages.trigger import Trigger
from taggers import implications

COLOURS = {"a": (200, 30, 30), "b": (30, 60, 200), "c": (20, 160, 40)}


def curate(*arguments: str | Path, expect: int = 0, to: object = app) -> Result:
    result = CliRunner().invoke(to, [str(a) for a in arguments])  # type: ignore[arg-type]
    if expect == 0 and result.exception is not None:
        raise result.exception
    return result


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Three pictures tagged by palette, in a folder that curate wrote."""
    raw = tmp_path / "raw" / "dogs"
    raw.mkdir(parents=True)
    for name, colour in COLOURS.items():
        Image.new("RGB", (64, 64), colour).save(raw / f"{name}.png")
    out, concepts = tmp_path / "out", {"dogs": Concept(trigger=("zwx dog",))}
    for command in (
        drive.Command(Tag(tagger=("palette",)), tmp_path / "raw", out, concepts=concepts, quiet=True),
        drive.Command(Trigger(), out, concepts=concepts, quiet=True),
    ):
        drive.command(command)
    return out


def texts(folder: Path) -> dict[str, str]:
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted(folder.glob("[!.]*/**/*.txt"))}


def test_the_folder_is_as_expected(prepared: Path) -> None:
    assert {k: v.split(", ")[:2] for k, v in texts(prepared).items()} == {
        "a": ["zwx dog", "red theme"],
        "b": ["zwx dog", "blue theme"],
        "c": ["zwx dog", "green theme"],
    }


def test_what_a_run_has_in_hand_is_left_alone(prepared: Path) -> None:
    # what a killed run left behind has the same name
    in_hand = prepared / ".curate/objects/dc/.curate-0123456789abcdef.png"
    in_hand.parent.mkdir(parents=True)
    in_hand.write_bytes(b"half a picture")
    before = texts(prepared)
    with run_lock(prepared):
        curate("stats", prepared)
        for refused in (
            lambda: curate("add", prepared, "outdoors"),
            lambda: curate("add", prepared, "zwx dog"),  # nothing to change
            lambda: drive.command(drive.Command(Trigger(), prepared, prepared.parent / "other", quiet=True)),
        ):
            with pytest.raises(LockedError, match="another run is working on"):
                refused()
        assert in_hand.exists()
    assert texts(prepared) == before
    curate("stats", prepared)
    assert not in_hand.exists()


def test_add_remove_replace_rename(prepared: Path) -> None:
    curate("add", prepared, "running dog", "outdoors", "--where", "red_theme")
    assert texts(prepared)["a"].endswith("running dog, outdoors")
    assert "outdoors" not in texts(prepared)["b"]
    curate("add", prepared, "solo", "--first")
    assert all(t.startswith("zwx dog, solo, ") for t in texts(prepared).values())
    curate("remove", prepared, "*theme", "monochrome", "zwx dog")
    assert not any("theme" in t or "monochrome" in t for t in texts(prepared).values())
    assert all(t.startswith("zwx dog, solo") for t in texts(prepared).values())
    curate("replace", prepared, "solo=one dog,alone", "outdoors=")
    assert all(t.startswith("zwx dog, one dog, alone") for t in texts(prepared).values())
    assert "outdoors" not in texts(prepared)["a"]
    curate("rename", prepared, "one_dog", "single dog")
    assert all(t.startswith("zwx dog, single dog, alone") for t in texts(prepared).values())


def test_bulk_edits_count_as_the_persons_own(prepared: Path) -> None:
    curate("add", prepared, "outdoors", "--concept", "dogs")
    before = texts(prepared)
    drive.command(drive.Command(Trigger(words=("other",)), prepared, quiet=True))
    assert texts(prepared) == before


def test_hand_edited_captions_are_left_alone_unless_asked(prepared: Path) -> None:
    file = next(prepared.glob("[!.]*/**/a.txt"))
    file.write_text("my own words, red theme")
    result = curate("remove", prepared, "red_theme", "blue_theme")
    assert file.read_text() == "my own words, red theme"
    assert "skipped" in result.stderr
    assert "a.png" in result.stderr
    assert "blue theme" not in texts(prepared)["b"]
    curate("remove", prepared, "red_theme", "--edited-too")
    assert file.read_text() == "my own words"
    result = curate("add", prepared, "x", "--json")
    found = json.loads(result.stdout)
    assert [Path(p).stem for p in found["skipped"]] == ["a"]
    assert [Path(c["path"]).stem for c in found["changed"]] == ["b", "c"]


def test_dry_run_shows_and_changes_nothing(prepared: Path) -> None:
    before = texts(prepared)
    result = curate("replace", prepared, "red_theme=scarlet", "--dry-run")
    assert "-red theme, +scarlet" in result.stdout
    assert "would change 1 caption\n" in result.stderr
    assert texts(prepared) == before


def test_dry_run_in_another_style_and_in_colour(prepared: Path) -> None:
    drive.command(drive.Command(Captions(separator=" | "), prepared, quiet=True))
    result = CliRunner().invoke(app, ["replace", str(prepared), "red_theme=scarlet", "--dry-run"], color=True)
    assert "zwx dog | \x1b[31m-red theme\x1b[0m | \x1b[32m+scarlet\x1b[0m | " in result.stdout


def test_undo(prepared: Path) -> None:
    before = texts(prepared)
    result = curate("add", prepared, "outdoors")
    assert "curate undo" in result.stderr
    assert texts(prepared) != before
    drive.undo(prepared)
    assert texts(prepared) == before
    drive.command(drive.Command(Trigger(words=("other",)), prepared, quiet=True))
    assert all(t.startswith("other, ") for t in texts(prepared).values())


def test_a_folder_that_curate_did_not_prepare(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("long_hair,fate_\\(series\\)")
    with pytest.raises(InputError, match="not created by curate"):
        curate("add", tmp_path, "solo")
    curate("add", tmp_path, "solo", "--in-place")
    assert (tmp_path / "a.txt").read_text() == "long_hair,fate_\\(series\\),solo"
    drive.undo(tmp_path)
    assert (tmp_path / "a.txt").read_text() == "long_hair,fate_\\(series\\)"


def test_tags_that_are_none_are_refused(prepared: Path) -> None:
    for bad in (("add", "a, b"), ("add", " "), ("add", "a\udcff"), ("replace", "no_pair"), ("rename", "a", "b,c")):
        with pytest.raises(InputError):
            curate(bad[0], prepared, *bad[1:])
    with pytest.raises(InputError, match="no concept cats"):
        curate("add", prepared, "x", "--concept", "cats")


def test_stats_and_find(prepared: Path) -> None:
    result = curate("stats", prepared, "--top", "3")
    assert "dogs: 3 pictures" in result.stdout
    assert "     3  100%  " in result.stdout
    counts = json.loads(curate("stats", prepared, "--json").stdout)
    assert counts["dogs"]["simple_background"] == 3
    assert counts["dogs"]["red_theme"] == 1
    found = json.loads(curate("find", prepared, "red*", "simple background", "--json").stdout)
    assert [Path(f["path"]).stem for f in found] == ["a"]
    assert [
        Path(f["path"]).stem for f in json.loads(curate("find", prepared, "red_theme", "--without", "--json").stdout)
    ] == [
        "b",
        "c",
    ]
    assert curate("find", prepared, "red_theme").stdout.count("\n") == 1


def test_differences_read_in_order() -> None:
    one = tags_edit.Captioned("a.png", "c", "a.txt", "a, b, c", None, False)  # type: ignore[arg-type]
    assert tags_edit.difference(tags_edit.Change(one, "a, x, c, d")) == [
        (" ", "a"),
        ("-", "b"),
        ("+", "x"),
        (" ", "c"),
        ("+", "d"),
    ]


def test_explain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path))
    result = curate("explain", "border_collie", "--vocabulary", "e621")
    assert "border_collie -> collie" in result.stdout
    assert "-> domestic_dog -> canis -> canine -> canid -> mammal" in result.stdout
    assert "grayscale is an alias of greyscale" in curate("explain", "grayscale").stdout
    assert "no implications" in curate("explain", "no such tag").stdout
    found = json.loads(curate("explain", "border collie", "--vocabulary", "e621", "--json").stdout)
    assert found[0]["implies"]["collie"] == ["border_collie", "collie"]
    with pytest.raises(InputError, match="gelbooru"):
        curate("explain", "x", "--vocabulary", "gelbooru")


def test_update_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    own = [(child, up) for child, ups in implications.core("danbooru").parents.items() for up in ups]
    rows = [("my_dog", "border_collie"), *own]
    (tmp_path / "implications.csv").write_text("".join(f"{child},{up}\n" for child, up in rows))
    assert "the built-in table" in curate("explain", "my_dog").stderr
    result = curate("update", "danbooru", "--from", tmp_path / "implications.csv")
    assert f"danbooru: {len(rows):,} implications and no aliases" in result.stderr
    explained = curate("explain", "my_dog")
    assert "my_dog -> border_collie -> dog" in explained.stdout
    assert "implications.csv" in explained.stderr
    with pytest.raises(InputError, match="no such file"):
        curate("update", "danbooru", "--from", tmp_path / "gone.csv")


def test_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path))
    place = tmp_path / "wd-vit-tagger-v3"
    place.mkdir()
    for file in ("model.onnx", "selected_tags.csv"):
        (place / file).write_text("x")
    rows = {r["name"]: r for r in model_rows()}
    assert rows["palette"]["installed"] == "built in"
    assert rows["wd-vit-tagger-v3"]["installed"] == "installed"
    lines = curate(to=models_app).stdout.splitlines()
    listed = {line.split()[0]: line for line in lines[1 : lines.index("")]}
    assert listed["jtp-pilot2"].endswith("m") and "m  not pinned" in "\n".join(lines)
    assert listed["wd-vit-tagger-v3"].endswith("installed")
    assert listed.keys() == rows.keys()
    assert max(map(len, lines)) <= 80
    assert rows["jtp-pilot2"]["vocabulary"] == "e621"
    printed = curate(to=models_app).stdout
    assert "GPL-3.0" in printed
    assert "unverified" in printed
    assert "gated" in printed
    assert json.loads(curate("--json", to=models_app).stdout)[0]["name"] == min(rows)
    dino = next(line for line in lines if line.startswith("dino "))
    assert "facebook/dinov2-base" in dino and "Apache-2.0" in dino and "346 MB" in dino
    assert curate("fetch", "palette", to=models_app).stdout.strip().endswith("palette")
    with pytest.raises(InputError, match="no model is called"):
        curate("fetch", "nothing", to=models_app)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("jtp-pilot2", "dino"):
        with pytest.raises(MissingError, match=r"not on this machine|cannot be downloaded"):
            curate("fetch", name, to=models_app)
