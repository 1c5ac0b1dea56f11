"""Captions in any encoding: the folder is the evidence, and what was guessed is said once."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate import captions
from curate.core.caption_options import CaptionReading
from curate.errors import InputError

FOLDERS = {
    "gb18030": ["红裙子, 微笑", "女孩坐在椅子上", "1girl, 黑发, 蓝色眼睛", "白猫"],
    "big5": ["紅裙子, 微笑", "女孩坐在椅子上看書", "1girl, 黑髮, 藍色眼睛", "白貓"],
    "cp932": ["赤いスカート, 笑顔", "椅子に座っている女の子", "1girl, 黒髪, 青い目", "白い猫"],
    "cp949": ["빨간 치마, 미소", "의자에 앉아 있는 소녀", "1girl, 검은 머리", "고양이"],
    "cp1251": ["красная юбка, улыбка", "девочка сидит на стуле", "1girl, чёрные волосы", "кот"],
    "koi8-r": ["красная юбка, улыбка", "девочка сидит на стуле", "1girl, чёрные волосы", "кот"],
    "cp1253": ["κόκκινη φούστα, χαμόγελο", "κορίτσι κάθεται σε καρέκλα", "γάτα"],
    "cp1250": ["červená sukně, úsměv", "dívka sedí na židli u stolu", "černé vlasy, kočka"],
    "cp1252": ["jupe plissée, crème brûlée", "une fille assise à côté d'une fenêtre", "niña, señorita, ¿qué?"],
}


def put(folder: Path, texts: list[str], encoding: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{n}.txt" for n in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text.encode(encoding))
    return paths


@pytest.mark.parametrize("encoding", FOLDERS)
def test_a_folder_is_read_as_it_was_written_and_the_guess_is_told_once(encoding: str, tmp_path: Path) -> None:
    texts = FOLDERS[encoding]
    paths = put(tmp_path / "10_zwx", texts, encoding)
    plain = put(tmp_path / "10_zwx" / "more", ["zwx, red scarf", "красный"], "utf-8")
    result = captions.read_folder("10_zwx", {p: [p] for p in [*paths, *plain]}, CaptionReading("tags"))
    assert [c.text for c in result.captions.values()] == [*texts, "zwx, red scarf", "красный"]
    [message] = result.messages
    assert f"{len(texts)} captions are not UTF-8 and read as " in message
    assert "10_zwx" in message and "caption_encoding" in message


@pytest.mark.parametrize("encoding", FOLDERS)
def test_the_option_is_heeded_and_nothing_is_guessed(encoding: str, tmp_path: Path) -> None:
    # a single word says too little of its encoding
    word = FOLDERS[encoding][-1].split()[0].strip(",")
    [path] = put(tmp_path, [word], encoding)
    result = captions.read_folder("x", {path: [path]}, CaptionReading(encoding=encoding))
    assert result.captions[path].text == word
    assert not result.messages


@pytest.mark.parametrize(
    "text",
    ["a dog, テスト", "zwx dog, ソファ", "ネコ", "zwx, ポーズ, スカート", "セーラー服, ツインテール", "ミニスカート"],
)
def test_katakana_in_shift_jis_is_not_taken_for_accents(text: str) -> None:
    assert captions.decode(text.encode("cp932")) == captions.Decoded(text, "cp932")


@pytest.mark.parametrize("text", ["it’s a dog", "“quoted” – dog…", "‚ändern‘ ‚Öl‘", "Šaty, žena", "œuvre d’art"])
def test_quotes_and_accents_are_not_taken_for_katakana(text: str) -> None:
    assert captions.decode(text.encode("cp1252")).encoding in ("cp1252", "cp1250")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-32-be", "utf-32-le"])
@pytest.mark.parametrize("text", ["zwx, red", "café", "犬, 草"])
def test_a_mark_says_the_encoding_and_is_no_part_of_the_text(encoding: str, text: str, tmp_path: Path) -> None:
    mark = "" if encoding in ("utf-8-sig", "utf-16", "utf-32") else "\ufeff"
    (tmp_path / "a.txt").write_bytes((mark + text + "\r\n").encode(encoding))
    assert captions.read_caption(tmp_path / "a.txt") == text
    assert captions.read_text(tmp_path / "a.txt") == text + "\r\n"
    # the mark knows better than a person who speaks of the folder's other captions
    assert captions.read_caption(tmp_path / "a.txt", "cp1251") == text
    [decoded] = captions.read_together([tmp_path / "a.txt"]).values()
    assert isinstance(decoded, captions.Decoded) and not decoded.is_plain


@pytest.mark.parametrize("raw", [b"a\0b", b"\x81", b"\xff\xfea\x00\x00", b"\x8c\xa2"])
def test_what_cannot_be_told_is_named_and_loses_no_other_caption(raw: bytes, tmp_path: Path) -> None:
    [good] = put(tmp_path, ["zwx"], "utf-8")
    bad = tmp_path / "bad.txt"
    bad.write_bytes(raw)
    texts = captions.read_together([good, bad])
    assert isinstance(texts[good], captions.Decoded)
    assert isinstance(error := texts[bad], InputError) and "bad.txt" in error.message
    with pytest.raises(InputError, match=r"bad\.txt"):
        captions.read_caption(bad)


def test_an_encoding_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    [path] = put(tmp_path, ["кот"], "cp1251")
    with pytest.raises(InputError, match="is not cp932 at byte"):
        captions.read_caption(put(tmp_path / "x", ["a\x81"], "latin-1")[0], "cp932")
    assert captions.read_caption(path, "cp1251") == "кот"


def test_an_edit_that_no_encoding_fits_keeps_its_bytes(tmp_path: Path) -> None:
    raw = b"caf\x81\x8d"
    (tmp_path / "a.txt").write_bytes(raw)
    text = captions.read_text(tmp_path / "a.txt")
    assert text is not None and text.encode("latin-1") == raw
    assert captions.read_text(tmp_path / "gone.txt") is None
