"""Several captions of one picture, and choices in them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from curate import captions
from curate.captions import Wording
from curate.captions.wording import read_json, resolve
from curate.core.caption_options import CaptionReading
from curate.errors import InputError


def last(options: object) -> str:
    return list(options)[-1]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("a {red|blue} car", "a blue car"),
        ("{a|b}{c|d}", "bd"),
        ("{a|{b|c} d}", "c d"),
        ("{{literal}} {x|y}", "{literal} y"),
        ("{alone}", "alone"),
        ("no { pair", "no { pair"),
        ("no } pair {", "no } pair {"),
        ("{a|}", ""),
        ("{}", ""),
        (r"\(fate\), {^_^|;)}", r"\(fate\), ;)"),
        ("", ""),
    ],
)
def test_braces_are_choices(text: str, resolved: str) -> None:
    assert resolve(text, last) == resolved


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("a {red|blue} car, {{literal}}, {a|{b|c} d}, {alone}, {a|}", ""),
        ("{a|{b|c}}", "{ stands without its }"),  # doubled braces are literal
        ("a {red|blue car", "{ stands without its }"),
        ("a red|blue} car {x|y}", "} stands without its {"),
        ("a {} car", "{} chooses nothing"),
        ("a { | } car", "{ | } chooses nothing"),
    ],
)
def test_braces_that_are_no_choice_are_told(text: str, odd: str) -> None:
    assert captions.odd_choice(text) == odd


def test_each_choice_is_drawn_about_as_often() -> None:
    chance = random.Random(3)
    counts = Counter(captions.draw(Wording("zwx dog, {red|green|blue} {hat|cap}"), chance).text for _ in range(6000))
    assert set(counts) == {f"zwx dog, {color} {hat}" for color in ("red", "green", "blue") for hat in ("hat", "cap")}
    assert all(850 < count < 1150 for count in counts.values())


def test_every_wording_is_counted_out_once() -> None:
    several = [Wording("{a|b} {c|d|e}"), Wording("plain"), Wording("a {c|c}")]
    possible = captions.possible(several, 20)
    assert possible is not None
    assert [one.text for one in possible] == ["a c", "a d", "a e", "b c", "b d", "b e", "plain"]
    assert captions.possible(several, 6) is None
    nested = captions.possible([Wording("{x|{a|b}{c|d} }")], 20)
    assert nested is not None and sorted(one.text for one in nested) == ["ac", "ad", "bc", "bd", "x"]
    # two to the power of sixty-four are not counted out
    assert captions.possible([Wording("{a|b}" * 64)], 256) is None


def test_an_empty_choice_leaves_no_tag_behind() -> None:
    assert captions.first(Wording("dog, {|hat}, grass")).text == "dog, grass"
    assert captions.longest(Wording("dog, {|hat}, grass")).text == "dog, hat, grass"


def test_what_is_kept_is_counted_after_the_choice() -> None:
    wording = Wording("{zwx, dog|zwx dog}, red, {a|b, c}", (1, 1))
    assert captions.first(wording) == Wording("zwx, dog, red, a", (2, 1))
    assert captions.longest(wording) == Wording("zwx, dog, red, b, c", (2, 2))


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ('["one", "two", " "]', ["one", "two"]),
        ('{"captions": ["one"]}', ["one"]),
        ('{"caption": "one", "seed": 3}', ["one"]),
        ("[]", []),
    ],
)
def test_a_json_file_lists_captions(text: str, texts: list[str]) -> None:
    assert read_json(text, Path("a.json")) == texts


@pytest.mark.parametrize("text", ["[1]", "{}", "null", '["a",', '[["a"]]', '["caf\\ud800"]'])
def test_json_without_captions_is_an_error_that_names_the_file(text: str) -> None:
    with pytest.raises(InputError, match=r"a\.json: the captions cannot be read"):
        read_json(text, Path("a.json"))


def _read(tmp_path: Path, files: dict[str, str], **reading: object) -> captions.FolderCaptions:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return captions.read_folder(
        "place",
        {tmp_path / "a.png": [tmp_path / name for name in files]},
        CaptionReading(**reading),  # type: ignore[arg-type]
    )


def test_lines_are_captions(tmp_path: Path) -> None:
    result = _read(
        tmp_path, {"a.txt": "zwx dog, grass\n\nA zwx dog stands on grass.\nzwx dog, grass\n"}, variants="lines"
    )
    [caption] = result.captions.values()
    assert caption.variants == (Wording("zwx dog, grass"), Wording("A zwx dog stands on grass."))
    assert caption.text == "zwx dog, grass" and not result.messages


def test_lines_keep_what_each_of_them_marks(tmp_path: Path) -> None:
    result = _read(
        tmp_path, {"a.txt": "zwx dog ||| a, b\nzwx, dog ||| {c, d|e}, f ||| last"}, variants="lines", wildcards=True
    )
    [caption] = result.captions.values()
    assert [one.kept for one in caption.variants] == [(1, 0), (2, 1)]


def test_both_files_are_captions(tmp_path: Path) -> None:
    files = {"a.txt": "zwx dog, grass", "a.caption": "A zwx dog stands on grass."}
    [caption] = _read(tmp_path, files, variants="files").captions.values()
    assert [one.text for one in caption.variants] == list(files.values())
    one = _read(tmp_path, files)
    [caption] = one.captions.values()
    assert caption.text == "zwx dog, grass" and caption.variants == () and "two captions" in one.messages[0]


def test_a_broken_list_is_that_pictures_error(tmp_path: Path) -> None:
    result = _read(tmp_path, {"a.json": '["zwx dog",'}, extension=".json")
    [error] = result.errors.values()
    assert "a.json" in error.message and not result.captions
