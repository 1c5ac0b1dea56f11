"""Folders made by hand, as kohya's users make them: what is trained, and that all else is named with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from curate.core.caption_options import CaptionReading
from curate.errors import InputError
from curate.train.data import folders
from curate.train.data.dataset import read_dataset


def put(path: Path, caption: str | None = "zwx dog, red", ending: str = ".txt") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (200, 60, 40)).save(path)
    if caption:
        path.with_suffix(ending).write_text(caption, encoding="utf-8")
    return path


def test_kohyas_names_are_taken_as_kohya_takes_them(tmp_path: Path) -> None:
    for name in ("3_", "02_zwx dog", "2_зверь 犬", "1_two_words"):
        put(tmp_path / name / "картинка один.JPG")
    found, warnings = folders.concepts(tmp_path)
    assert {(c.place.name, c.repeats, c.words) for c in found} == {
        ("3_", 3, ""),
        ("02_zwx dog", 2, "zwx dog"),
        ("2_зверь 犬", 2, "зверь 犬"),
        ("1_two_words", 1, "two_words"),
    }
    assert not warnings
    assert len(read_dataset(tmp_path).pictures) == 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("top.png", r"^not trained: 1 picture \(top.png\) directly in "),
        ("5/a.png", r"^5 is skipped with 1 picture \(a.png\): .*; call it 5_name$"),
        ("10-zwx dog/a.png", r"^10-zwx dog is skipped with .*; call it 10_zwx dog$"),
        ("0_zero/a.png", r"^0_zero is skipped with 1 picture \(a.png\): it has 0 repeats$"),
        ("-2_minus/a.png", r"^-2_minus is skipped"),
        (
            "outer/6_inner/a.png",
            r"^outer is skipped with 1 picture \(6_inner/a.png\): .*; move 6_inner out of it",
        ),
        (
            "2_zwx dog/deep/deeper/a.png",
            r"^2_zwx dog: not trained: 1 picture \(deep/deeper/a.png\) in folders inside it$",
        ),
        ("2_zwx dog/x.GIF", r"^2_zwx dog: not trained: 1 picture \(x.GIF\), of formats that `curate convert`"),
        ("2_zwx dog/x.tif", r"^2_zwx dog: not trained: 1 picture \(x.tif\), of formats"),
    ],
)
def test_what_is_not_trained_is_named(name: str, said: str, tmp_path: Path) -> None:
    import re

    put(tmp_path / "2_zwx dog" / "a.png")
    put(tmp_path / name)
    data = read_dataset(tmp_path)
    assert len(data.pictures) == 1
    assert [bool(re.search(said, line)) for line in data.warnings] == [True]


@pytest.mark.parametrize(
    ("name", "repeats", "words"),
    [
        ("10 robe", 10, "robe"),
        ("3  red  scarf", 3, "red  scarf"),
        (" 2_space", 2, "space"),
        ("4 красный шарф", 4, "красный шарф"),
        ("120 hat", 120, "hat"),
    ],
)
def test_a_name_that_is_not_quite_right_is_read_as_run_reads_it(
    name: str, repeats: int, words: str, tmp_path: Path
) -> None:
    put(tmp_path / name / "a.png")
    [concept], warnings = folders.concepts(tmp_path)
    assert (concept.repeats, concept.words) == (repeats, words)
    assert all(f"is read as {repeats}_{words}" in line for line in warnings)
    assert bool(warnings) == (not name.strip().startswith(f"{repeats}_"))


def test_what_trainers_leave_beside_is_passed_over_in_silence(tmp_path: Path) -> None:
    put(tmp_path / "2_zwx dog" / "a.png")
    put(tmp_path / "lora" / "samples" / "a.png", None)
    put(tmp_path / ".hidden" / "a.png")
    put(tmp_path / "2_zwx dog" / ".cache" / "a.png")
    (tmp_path / "2_zwx dog" / "._a.png").write_bytes(b"x")
    for empty in ("log", "model"):
        (tmp_path / empty).mkdir()
    assert read_dataset(tmp_path).warnings == []


def test_many_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    put(tmp_path / "2_zwx dog" / "a.png")
    for number in range(7):
        put(tmp_path / f"{number}.png", None)
    [line] = read_dataset(tmp_path).warnings
    assert "7 pictures (0.png, 1.png, 2.png, 3.png, 4.png …) directly in" in line


def test_a_level_too_high_says_where_the_folders_are(tmp_path: Path) -> None:
    put(tmp_path / "img" / "2_zwx dog" / "a.png")
    (tmp_path / "log").mkdir()
    with pytest.raises(InputError, match="holds no folder called N_trigger") as caught:
        folders.check(tmp_path)
    assert f"img in it holds such folders, give {tmp_path / 'img'}" in str(caught.value.remedy)


@pytest.mark.parametrize("ending", [".cap", ".tags"])
def test_captions_of_another_ending_are_named(ending: str, tmp_path: Path) -> None:
    put(tmp_path / "2_zwx dog" / "a[1].png", "zwx dog", ending)
    with pytest.raises(InputError, match=r"has a caption in a file ending in \.txt") as caught:
        read_dataset(tmp_path)
    assert f"give caption_extension {ending}" in str(caught.value.remedy)
    assert read_dataset(tmp_path, CaptionReading(extension=ending)).pictures[0].caption == "zwx dog"
    put(tmp_path / "2_zwx dog" / "b.png")
    [other, line] = read_dataset(tmp_path).warnings
    assert f"not read as captions: 1 file (a[1]{ending})" in other
    assert line.endswith("2_zwx dog/a[1].png")
