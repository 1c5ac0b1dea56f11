"""`curate tags …` on folders of other programs: the folder decides how captions are read, and keeps its form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from curate.cli.tags import app


def curate(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None:
        raise result.exception
    return result


def folder(place: Path, *texts: str | bytes) -> Path:
    """A folder `10_zwx` with a picture for each caption: a, b, c …"""
    (place / "10_zwx").mkdir(parents=True)
    for name, text in zip("abcdefgh", texts, strict=False):
        Image.new("RGB", (8, 8)).save(place / f"10_zwx/{name}.png")
        (place / f"10_zwx/{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return place


def found(place: Path, tag: str, *options: str) -> list[str]:
    return [Path(row["path"]).stem for row in json.loads(curate("find", place, tag, "--json", *options).stdout)]


def text(place: Path, name: str) -> str:
    return (place / f"10_zwx/{name}.txt").read_text(encoding="utf-8")


FORMS = {
    "spaces": (["zwx solo long_hair", "zwx solo sky", "zwx blue_eyes sky", "zwx dog"], "zwx solo long_hair grass"),
    "lines": (["zwx\nsolo\nlong hair", "zwx\nsky", "zwx\ndog\nsky"], "zwx\nsolo\nlong hair\ngrass"),
    "semicolons": (["zwx; solo; long hair", "zwx; sky", "zwx; dog; sky"], "zwx; solo; long hair; grass"),
    "wide commas": (["zwx，solo，long hair", "zwx，sky"], "zwx, solo, long hair, grass"),
    "marks": (["zwx ||| solo, long hair", "zwx ||| sky"], "zwx ||| solo, long hair, grass"),
    "two marks": (["zwx|||solo|||long hair", "zwx|||sky|||dog"], "zwx ||| solo ||| long hair, grass"),
}


@pytest.mark.parametrize("form", FORMS)
def test_tags_are_found_and_added_in_the_folders_form(form: str, tmp_path: Path) -> None:
    texts, expected = FORMS[form]
    place = folder(tmp_path, *texts)
    assert found(place, "solo") == [n for n, t in zip("abcd", texts, strict=False) if "solo" in t]
    assert found(place, "sky") == [n for n, t in zip("abcd", texts, strict=False) if "sky" in t]
    curate("add", place, "grass", "--where", "long_hair", "--in-place")
    assert text(place, "a") == expected
    assert text(place, "b") == texts[1]
    curate("remove", place, "grass", "--in-place")
    assert found(place, "grass") == []
    assert found(place, "long_hair") == ["a"]


def test_a_caption_that_alone_would_be_a_sentence_follows_its_folder(tmp_path: Path) -> None:
    place = folder(tmp_path, "zwx solo long_hair", "zwx long_hair sky", "zwx dog sitting grass")
    assert found(place, "sitting") == ["c"]
    assert "separate tags with spaces" in curate("stats", place).stderr
    assert found(place, "sitting", "--caption-form", "tags") == []
    curate("remove", place, "dog", "--in-place")
    assert text(place, "c") == "zwx sitting grass"


def test_encodings_are_told_by_the_folder_and_by_the_option(tmp_path: Path) -> None:
    rows = ["zwx, красная шляпа, небо", "zwx, собака сидит, трава", "zwx, кот"]
    place = folder(tmp_path, *(row.encode("cp1251") for row in rows))
    assert found(place, "кот") == found(place, "кот", "--caption-encoding", "cp1251") == ["c"]
    curate("add", place, "solo", "--in-place")
    assert text(place, "c") == "zwx, кот, solo"


def test_a_caption_that_is_no_text_is_named_and_left_alone(tmp_path: Path) -> None:
    place = folder(tmp_path, "zwx, sky", b"\0\1\2")
    result = curate("add", place, "solo", "--in-place")
    assert "b.txt" in result.stderr and "left as it is" in result.stderr
    assert (place / "10_zwx/b.txt").read_bytes() == b"\0\1\2"
    assert text(place, "a") == "zwx, sky, solo"


def test_the_words_of_the_folder_stay(tmp_path: Path) -> None:
    place = folder(tmp_path, "zwx, sky, dog")
    curate("remove", place, "zwx", "sky", "--in-place")
    assert text(place, "a") == "zwx, dog"
    curate("add", place, "solo", "--first", "--in-place")
    assert text(place, "a") == "zwx, solo, dog"
