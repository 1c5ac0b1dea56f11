"""Caption text: what is parsed, what is written, and that one is the inverse of the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate import captions
from curate.core.record import CaptionStyle, Image, Record
from curate.errors import InputError

SHARED = Path(__file__).parents[2] / "../shared/data/captions/wd14_landscape"


def record(*found: str, sentence: str = "", style: CaptionStyle | None = None, trigger: tuple[str, ...] = ()) -> Record:
    return Record(
        "c/a.png", "c", "", Image(""), tags=found, sentence=sentence, style=style or CaptionStyle(), trigger=trigger
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1girl, solo, long hair", (("1girl", "solo", "long_hair"), "")),
        ("1girl solo long_hair", (("1girl", "solo", "long_hair"), "")),
        ("1girl,\nsolo\n\nlong hair,", (("1girl", "solo", "long_hair"), "")),
        ("fate \\(series\\), ^_^", (("fate_(series)", "^_^"), "")),
        ("solo, SOLO cup, solo", (("solo", "SOLO_cup"), "")),
        ("A dog runs over the hill.", ((), "A dog runs over the hill.")),
        ("a photo of a dog, sitting", ((), "a photo of a dog, sitting")),
        (
            "1dog, outdoors, a dog is running in the park, happily",
            (("1dog", "outdoors"), "a dog is running in the park, happily"),
        ),
        ("A dog runs. It is fast! outdoors, day", (("outdoors", "day"), "A dog runs. It is fast!")),
        (
            "looking at viewer, hand on own hip, hands in pockets",
            (("looking_at_viewer", "hand_on_own_hip", "hands_in_pockets"), ""),
        ),
        ("the legend of zelda, girl with a pearl earring", (("the_legend_of_zelda", "girl_with_a_pearl_earring"), "")),
        ("", ((), "")),
        (" , ,\n,", ((), "")),
    ],
)
def test_tags_and_prose_are_told_apart(text: str, expected: tuple[tuple[str, ...], str]) -> None:
    assert captions.parse(text) == expected


@pytest.mark.parametrize("face", [";_;", ">_<;", "^_^;", "(;_;", "t_t;"])
def test_a_face_at_the_end_keeps_the_mark_that_separates(face: str) -> None:
    style = CaptionStyle("; ")
    assert captions.parse(f"dog; {face}", style=style) == (("dog", face), "")
    assert captions.parse(face, style=style) == ((face,), "")
    assert captions.parse("dog; hat;", style=style) == (("dog", "hat"), "")


def test_trigger_words_stay_as_written() -> None:
    found, _ = captions.parse("ZWX Dog, blue coat", trigger=("zwx dog",))
    assert found == ("zwx dog", "blue_coat")
    written = captions.render(record("my_tok (v2)", "a_(b)", style=CaptionStyle(escape=True), trigger=("my_tok (v2)",)))
    assert written == "my_tok (v2), a \\(b\\)"


def test_style() -> None:
    both = ("long_hair", "o_o", "fate_(series)")
    assert captions.render(record(*both)) == "long hair, o_o, fate (series)"
    assert captions.render(record(*both, style=CaptionStyle(escape=True))) == "long hair, o_o, fate \\(series\\)"
    assert (
        captions.render(record(*both, style=CaptionStyle(underscores="keep", separator=" ")))
        == "long_hair o_o fate_(series)"
    )


@pytest.mark.parametrize("tag", ["_(:3」∠)_", "_x", "robot_", "a__b_c"])
def test_underscores_that_would_be_lost_as_spaces_stay(tag: str) -> None:
    written = captions.render(record("long_hair", tag))
    assert written == f"long hair, {tag}"
    assert captions.parse(written) == (("long_hair", tag), "")


def test_where_a_sentence_stands() -> None:
    def written(sentence: str, where: str) -> str:
        style = CaptionStyle(sentence=where)  # type: ignore[arg-type]
        return captions.render(record("tok", "dog", "grass", sentence=sentence, style=style, trigger=("tok",)))

    assert written("It runs.", "after") == "tok, dog, grass, It runs."
    assert written("It runs", "before") == "tok, It runs. dog, grass"
    assert written("It runs.", "only") == "tok, It runs."
    assert written("It runs.", "none") == "tok, dog, grass"
    assert written("", "only") == "tok, dog, grass"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_caption_files_in_any_common_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("café, blue\r\n".encode(encoding))
    assert captions.read_caption(path) == "café, blue"


@pytest.mark.parametrize("raw", [b"\x00\x01\x02binary", b"\xff\xfea\x00\x00", b"caf\x81\x8d"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "odd.txt"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"odd\.txt"):
        captions.read_caption(path)
    with pytest.raises(InputError, match=r"gone\.txt"):
        captions.read_caption(tmp_path / "gone.txt")


def test_which_file_is_a_pictures_caption(tmp_path: Path) -> None:
    picture = tmp_path / "a.b.png"
    assert captions.caption_file(picture) is None
    for name in ("a.b.png.txt", "a.b.caption", "a.b.txt"):
        (tmp_path / name).write_text("x")
        assert captions.caption_file(picture) == tmp_path / name


def test_real_captions_survive() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is missing")
    paths = sorted(SHARED.glob("*.txt"))
    assert len(paths) == 136
    for path in paths:
        text = captions.read_caption(path)
        found, sentence = captions.parse(text)
        assert not sentence
        assert len(found) == len(dict.fromkeys(text.split(", ")))
        style = CaptionStyle(underscores="keep", escape="\\(" in text)
        assert captions.render(record(*found, style=style)) == text
