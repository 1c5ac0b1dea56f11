"""The command `curate inspect`: any folder, looked at and left as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from curate.core.stage import Concept
from curate.drive import Command, Result, command, run
from curate.pipeline import load
from curate.report import table
from curate.stages.convert import Convert
from curate.stages.inspect import Inspect

ROOT = Path(__file__).parents[2]


def texture(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(40, 200, (size[1] // 6, size[0] // 6, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.NEAREST)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw" / "dog").mkdir(parents=True)
    for n in range(3):
        texture(n).save(tmp_path / "raw" / "dog" / f"{n}.png")
    (tmp_path / "raw" / "dog" / "0.txt").write_bytes(b"a dog ,  A hat\r\n")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    texture(7, (400, 90)).save(tmp_path / "raw" / "dog" / "wide\n.png", icc_profile=profile)
    (tmp_path / "raw" / "dog" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    return tmp_path / "raw"


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()
    }


# what is drawn here has neither the blur nor the noise of photographs
LENIENT = {"resolution": 64, "blur": 1.0, "blocks": 99.0, "noise": 99.0}


def looked(folder: Path, **options: object) -> Result:
    return command(Command(Inspect.model_validate(LENIENT | options), folder, quiet=True))


def test_nothing_in_the_folder_changes_even_where_something_is_dropped(folder: Path) -> None:
    before = tree(folder)
    result = looked(folder, drop=("aspect", "small"))
    assert tree(folder) == before
    assert sorted(p.name for p in folder.iterdir()) == ["dog"]
    assert result.findings is not None
    assert result.findings.data["aside"] == 2


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="leave to write cannot be taken away here")
def test_a_folder_without_leave_to_write_is_looked_at(folder: Path) -> None:
    for place in (folder / "dog", folder):
        place.chmod(0o555)
    try:
        assert looked(folder).findings is not None
    finally:
        for place in (folder, folder / "dog"):
            place.chmod(0o755)


def test_the_table_names_what_needs_editing_and_counts_the_rest(folder: Path) -> None:
    found = looked(folder).findings
    assert found is not None
    lines = table.as_text(found).splitlines()
    (wide,) = [line for line in lines if line.startswith("dog/wide")]
    assert wide.startswith("dog/wide\\n.png  400×90") and wide.endswith("extremely wide (400×90)")
    assert any(line.startswith("dog/broken.png") and "truncated" in line for line in lines)
    assert not any(line.startswith("dog/1.png") for line in lines)
    (row,) = [line.split() for line in lines if line.startswith("dog ")]
    assert row[:6] == ["dog", "object", "4", "3", "1", "1"]
    assert "use at least 8" in lines[-3]
    assert lines[-1] == "fine as it is: 3   needs editing: 1   set aside: 1"


def test_the_advice_follows_the_kind(folder: Path) -> None:
    stage = Inspect.model_validate(LENIENT)
    found = command(Command(stage, folder, concepts={"dog": Concept(kind="style")}, quiet=True)).findings
    assert found is not None
    about = found.data["concepts"]["dog"]
    assert (about["kind"], about["floor"], about["least"], about["most"]) == ("style", 8, 50, 200)


def test_json_holds_the_measures_of_every_picture(folder: Path) -> None:
    flags = [f"--{name}={value}" for name, value in LENIENT.items()]
    done = subprocess.run(
        [sys.executable, "-m", "curate.cli", "inspect", str(folder), *flags, "--json", "--quiet"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        check=True,
    )
    found = json.loads(done.stdout)["findings"]
    pictures = {p["key"]: p for p in found["pictures"]}
    assert len(pictures) == 5
    wide = pictures["dog/wide\n.png"]
    assert (wide["width"], wide["height"], wide["aspect"], wide["triage"]) == (400, 90, 4.4444, "edit")
    assert "sRGB" in wide["profile"] and pictures["dog/0.png"]["profile"] == ""
    assert {"blur", "blocks", "noise", "blank", "white", "consent", "faults"} <= set(wide)
    assert pictures["dog/broken.png"]["triage"] == "aside" and pictures["dog/broken.png"]["aside"]
    assert (found["fine"], found["edit"], found["aside"]) == (3, 1, 1)
    assert "inspect:" not in done.stderr


def test_a_refusal_of_training_is_shown(folder: Path) -> None:
    mark = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
        b'plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"/></rdf:RDF></x:xmpmeta>'
    )
    texture(3).save(folder / "dog" / "no.jpg", xmp=mark)
    found = looked(folder).findings
    assert found is not None
    (picture,) = [p for p in found.data["pictures"] if p["key"] == "dog/no.jpg"]
    assert "DMI-PROHIBITED" in picture["consent"] and picture["triage"] == "aside"
    held = command(Command(Inspect.model_validate(LENIENT), folder, consent="i-hold-the-rights", quiet=True)).findings
    assert held is not None
    (picture,) = [p for p in held.data["pictures"] if p["key"] == "dog/no.jpg"]
    assert "DMI-PROHIBITED" in picture["consent"] and picture["width"] == 120
    assert any("no AI training" in line for line in held.data["concepts"]["dog"]["advice"])


def test_in_a_pipeline_only_what_is_named_is_dropped(folder: Path, tmp_path: Path) -> None:
    lenient = ", ".join(f"{name}: {value}" for name, value in LENIENT.items())
    for drop, aside in (("[aspect]", ["dog/broken.png", "dog/wide\n.png"]), ("[]", ["dog/broken.png"])):
        file = tmp_path / "pipeline.yaml"
        stages = f"  - convert\n  - inspect: {{{lenient}, drop: {drop}}}\n  - export"
        file.write_text(f"input: {folder}\noutput: out\nstages:\n{stages}\n", encoding="utf-8")
        after = run(load(file), quiet=True).manifest
        assert [r.key for r in after if r.aside] == aside
        assert {r.facts["triage"] for r in after.present} <= {"fine", "edit"}
        assert len(list((tmp_path / "out").glob("[0-9]*/*.png"))) == len(after.present)
        assert "sRGB" in {r.key: r for r in after}["dog/wide\n.png"].facts["profile"]


def test_a_prepared_folder_keeps_even_its_ledger_as_it_was(folder: Path, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    command(Command(Convert(), folder, out=prepared, quiet=True))
    before = tree(prepared)
    found = looked(prepared).findings
    assert tree(prepared) == before
    assert found is not None
    # what the conversion took off and noted is still known; a prepared picture keeps the key of its source
    assert [p["key"] for p in found.data["pictures"] if "sRGB" in p["profile"]] == ["dog/wide\n.png"]
