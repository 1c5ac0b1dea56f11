"""`curate consent` counts three answers; training leaves out what refuses or cannot be checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.cli.main import main
from curate.train.data.dataset import read_dataset
from tests.images.consent.files import PROHIBITED, picture, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One picture that refuses, two that cannot be checked, three that do not refuse."""
    place = tmp_path / "1_dog"
    place.mkdir()
    save(place / "refused.jpg", "jpeg", PROHIBITED)
    for name in ("cut.png", "torn.webp"):
        picture().save(place / name)
        (place / name).write_bytes((place / name).read_bytes()[:-14])
    for name in ("a.png", "b.jpg", "c.tiff"):
        picture().save(place / name)
    return tmp_path


def run(*arguments: str | Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["consent", *map(str, arguments)])
    assert end.value.code == 0


def test_the_three_counts_in_words(folder: Path, capsys: pytest.CaptureFixture[str]):
    run(folder)
    out, err = capsys.readouterr()
    rows = dict(line.split("\t") for line in out.splitlines())
    assert {Path(p).name for p in rows} == {"refused.jpg", "cut.png", "torn.webp"}
    assert rows[str(folder / "1_dog/cut.png")].startswith("could not be checked: ")
    assert "AI training prohibited" in rows[str(folder / "1_dog/refused.jpg")]
    assert "1 opted out, 2 could not be checked, 3 without an opt-out" in err


def test_the_three_counts_as_json(folder: Path, capsys: pytest.CaptureFixture[str]):
    run(folder, "--json")
    result = json.loads(capsys.readouterr().out)
    assert result["counts"] == {"refused": 1, "unchecked": 2, "not-refused": 3}
    assert sorted(p["answer"] for p in result["pictures"]) == ["refused", "unchecked", "unchecked"]
    assert all(p["reason"] for p in result["pictures"])


def test_regularisation_pictures_that_cannot_be_checked_are_left_out_and_named(folder: Path):
    data = read_dataset(folder, reg=True)
    assert [p.path.name for p in data.pictures] == ["a.png", "b.jpg"], "the trainer reads no TIFF"
    named = "\n".join(data.warnings)
    assert "1_dog/cut.png is left out: it could not be checked for a 'no AI training' mark" in named
    assert "1_dog/torn.webp is left out" in named and "--consent keep-unchecked" in named
    assert "1_dog/refused.jpg is marked 'no AI training'" in named
