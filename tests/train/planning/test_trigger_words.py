"""Before training, captions that lack the words of their folder are counted and named."""

from __future__ import annotations

from pathlib import Path

from curate.train.data.dataset import Picture
from curate.train.planning.trigger_words import lacking


def _picture(name: str, caption: str, words: str = "zwx dog, blue robe", reg: bool = False) -> Picture:
    path = Path("set") / f"3_{words}" / name
    return Picture(path, words, 3, caption, "", 8, 8, words=words, reg=reg)


def test_captions_that_have_the_words_in_any_writing_are_not_named() -> None:
    captions = [
        "zwx dog, blue robe, grass",
        "A Zwx Dog in a Blue Robe.",
        "grass, zwx_dog, blue_robe",
        "zwx dog,blue robe",
    ]
    assert lacking(_picture(f"{n}.png", text) for n, text in enumerate(captions)) == []


def test_those_that_lack_some_are_counted_and_named_by_folder() -> None:
    pictures = [
        _picture("a.png", "zwx dog, grass"),
        _picture("b.png", "zwx dog, blue robe"),
        *(_picture(f"{n}.png", "cat", "sks") for n in range(7)),
        _picture("r.png", "dog", "dog2", reg=True),
    ]
    assert lacking(pictures) == [
        '7 of 7 captions in 3_sks do not contain the trigger word "sks": 0.png, 1.png, 2.png, 3.png, 4.png and 2 more',
        '1 of 2 captions in 3_zwx dog, blue robe does not contain the trigger word "blue robe": a.png',
    ]


def test_a_trigger_that_the_ledger_knows_counts_more_than_the_name_of_the_folder() -> None:
    """`curate trigger --words` sets another trigger before `curate balance` renames the folder."""
    picture = _picture("a.png", "qqx cat, grass", "my dog")
    assert lacking([picture])
    assert lacking([picture], {picture.path.absolute(): ("qqx cat",)}) == []
    [line] = lacking([picture], {picture.path.absolute(): ("qqx cat", "red hat")})
    assert 'the trigger word "red hat": a.png' in line
