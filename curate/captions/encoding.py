"""Encoding: the bytes of caption files as text. Everything that reads a caption reads it here."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from curate.core.files import read_bytes
from curate.errors import InputError

UTF8 = "utf-8"
WESTERN = "cp1252"
"""What a Latin text is taken for that says too little of itself: the most common encoding on Windows."""

# UTF-32's mark begins with UTF-16's
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_CALLED = {"utf-8-sig": "UTF-8 with a byte-order mark", "utf-16": "UTF-16", "utf-32": "UTF-32"}
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257")
_OTHERS = (
    "gb18030",
    "big5hkscs",
    "cp932",
    "euc_jis_2004",
    "cp949",
    "cp1251",
    "koi8-r",
    "cp1253",
    "cp1255",
    "cp1256",
    "cp874",
)
_SURE, _UNSURE = 0.04, 0.01
"""Confidence of the detector, tried on captions of 1 to 10 words in 14 languages: above the first it was right, below
the second it guessed."""
_BETWEEN_LETTERS = re.compile(r"[a-z][¹³¿¾]|[¹³¾][a-z]")
"""Polish and others in cp1250, read as cp1252: ³¹ka for łąka."""
_EVIDENCE = 100_000
"""Bytes shown to the detector; more made no answer better."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A caption's text without its byte-order mark, and the codec that it was read with."""

    text: str
    encoding: str

    @property
    def has_mark(self) -> bool:
        """Whether the file begins with a byte-order mark."""
        return self.encoding in {name for _, name in _MARKS}

    @property
    def is_plain(self) -> bool:
        """Whether every trainer reads the file as we do: UTF-8 without a mark."""
        return self.encoding == UTF8


def decode(raw: bytes, encoding: str = "") -> Decoded:
    """The text of one caption: by its mark, as UTF-8, by `encoding`, else by what the bytes look like.

    A mark wins over `encoding`. Raises UnicodeDecodeError where the text is in another, ValueError for binary data.
    """
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return Decoded(raw.decode(name), name)
    if b"\0" in raw:
        raise ValueError("it contains binary data")
    if not encoding:
        try:
            return Decoded(raw.decode(UTF8), UTF8)
        except UnicodeDecodeError:
            encoding = detect((raw,))
    if not encoding:
        raise ValueError("its encoding is not clear: set caption_encoding")
    return Decoded(raw.decode(encoding), codecs.lookup(encoding).name)


def detect(texts: Iterable[bytes]) -> str:
    """The codec of texts that are not UTF-8 and that one program wrote: all of them together are the evidence.

    "" where they fit none, or say too little.
    """
    rows = list(dict.fromkeys(texts))
    if _has_katakana(rows):
        return "cp932"
    evidence = b"\n".join(rows)[:_EVIDENCE]
    latin = _is_latin(evidence)
    candidates = [c for c in (_LATIN if latin else _OTHERS) if _may_be(rows, c)]
    if not candidates:
        return ""
    import chardet

    # these are not UTF-8: as an answer it says that none of the others matches
    known = [*candidates, UTF8]
    result = chardet.detect(evidence, include_encodings=known, no_match_encoding=UTF8, compat_names=False)
    name, confidence = result["encoding"], result["confidence"]
    if latin and WESTERN in candidates and confidence < _SURE:
        return WESTERN
    return name if name and name in candidates and (latin or confidence >= _UNSURE) else ""


def _has_katakana(rows: Iterable[bytes]) -> bool:
    """Whether the texts can be Shift-JIS with words in katakana: their second bytes are ASCII letters, as in café."""
    try:
        text = "\n".join(row.decode("cp932") for row in rows)
    except UnicodeDecodeError:
        return False
    # their first byte is a letter that no other language writes
    return sum("\u30a1" <= c <= "\u30f6" for c in text) > 1


def _is_latin(text: bytes) -> bool:
    """Whether bytes above 127 stand alone among ASCII letters, as in café; Cyrillic and Chinese have many in a row."""
    runs: list[tuple[int, bool]] = []
    start = None
    for i, byte in enumerate(text + b" "):
        if byte >= 128:
            start = i if start is None else start
        elif start is not None:
            beside = text[start - 1 : start] + bytes([byte])
            runs.append((i - start, any(chr(b).isalpha() for b in beside if b < 128)))
            start = None
    if not runs:
        return True
    return sum(n for n, _ in runs) <= 1.7 * len(runs) and sum(near for _, near in runs) >= 0.5 * len(runs)


def _may_be(rows: Iterable[bytes], encoding: str) -> bool:
    """Whether the texts can be in this encoding, by its rules and by what no person writes in it."""
    try:
        text = "\n".join(row.decode(encoding) for row in rows)
    except UnicodeDecodeError:
        return False
    if encoding == WESTERN:
        return not _BETWEEN_LETTERS.search(text)
    # GBK's bytes fit EUC-JP as well, but hardly any Japanese text does without kana
    return encoding != "euc_jis_2004" or sum("\u3041" <= c <= "\u30ff" for c in text) > 1


def read_caption(path: Path, encoding: str = "") -> str:
    """The text of a caption file without blanks around it. Raises InputError naming the file where it is none."""
    return _decoded(path, _bytes(path), encoding).text.strip()


def read_text(path: Path | str) -> str | None:
    """The text of a caption file as it stands there, in whatever encoding; None where there is no file to read."""
    try:
        raw = read_bytes(path)
    except OSError:
        return None
    try:
        return decode(raw).text
    except ValueError:
        # a byte each: nothing of what a person wrote gets lost
        return raw.decode("latin-1")


def read_together(paths: Iterable[Path], encoding: str = "") -> dict[Path, Decoded | InputError]:
    """The captions of one folder; one that cannot be read has the error instead.

    Without `encoding`, what is not UTF-8 is told from all such files together.
    """
    unclear: dict[Path, bytes] = {}
    texts = {path: read_one(path, encoding, unclear) for path in paths}
    return texts | detect_common(unclear)


def read_one(path: Path, encoding: str, unclear: dict[Path, bytes]) -> Decoded | InputError:
    """A caption, or why it cannot be read. What is not UTF-8, without `encoding`, joins the `unclear` ones."""
    raw = b""
    try:
        raw = _bytes(path)
        return _decoded(path, raw, encoding or UTF8)
    except InputError as error:
        if not encoding and isinstance(error.__cause__, UnicodeDecodeError):
            unclear[path] = raw
        return error


def detect_common(unclear: Mapping[Path, bytes]) -> dict[Path, Decoded | InputError]:
    """Captions of one folder that are not UTF-8, all together being the evidence of their encoding."""
    common = detect(unclear.values()) if unclear else ""
    texts: dict[Path, Decoded | InputError] = {}
    for path, raw in unclear.items():
        try:
            # where they fit no single encoding, each for itself
            texts[path] = _decoded(path, raw, common)
        except InputError as error:
            texts[path] = error
    return texts


def encoding_name(encoding: str) -> str:
    """What people call a codec."""
    return _CALLED.get(encoding, encoding)


def misread_message(place: str, encodings: Mapping[str, str]) -> str:
    """Names the captions (by name, with their encoding) that other trainers misread; "" where all are plain UTF-8."""
    odd = {name: encoding for name, encoding in encodings.items() if encoding != UTF8}
    if not odd:
        return ""
    names = ", ".join(f"{name} ({encoding_name(e)})" for name, e in list(odd.items())[:3])
    count = "1 caption is" if len(odd) == 1 else f"{len(odd)} captions are"
    names += " …" * (len(odd) > 3)
    return (
        f"{place}: {count} not saved as plain UTF-8, so other trainers misread them: {names}; "
        "save them as UTF-8 without a byte-order mark"
    )


def encoding_messages(place: str, texts: Mapping[Path, Decoded]) -> Iterator[str]:
    """A line for each encoding besides UTF-8 among a folder's captions, with an example to judge it by."""
    by_name: dict[str, list[tuple[Path, str]]] = {}
    for path, decoded in texts.items():
        if not decoded.has_mark and not decoded.is_plain:
            by_name.setdefault(decoded.encoding, []).append((path, decoded.text))
    for name, rows in by_name.items():
        path, text = max(rows, key=lambda row: sum(not c.isascii() for c in row[1]))
        captions = f"{len(rows)} captions are" if len(rows) > 1 else "1 caption is"
        yield (
            f"{place}: {captions} not UTF-8 and read as {name}, {path.name} as {_excerpt(text)!r}; "
            "if that is wrong, say how they are written with caption_encoding"
        )


def _excerpt(text: str, length: int = 40) -> str:
    """A stretch of the text around its first letter that is not ASCII."""
    text = " ".join(text.split())
    first = next((i for i, c in enumerate(text) if not c.isascii()), 0)
    start = max(0, min(first - length // 4, len(text) - length))
    return ("…" if start else "") + text[start : start + length] + ("…" if start + length < len(text) else "")


def _bytes(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise InputError(f"{path}: caption cannot be read ({error.strerror})") from error


def _decoded(path: Path, raw: bytes, encoding: str) -> Decoded:
    try:
        return decode(raw, encoding)
    except UnicodeDecodeError as error:
        name = encoding or "UTF-8"
        raise InputError(f"{path}: caption is not {name} at byte {error.start}", "save it as UTF-8 text") from error
    except ValueError as error:
        raise InputError(f"{path}: the caption cannot be read, {error}", "save it as UTF-8 text") from error
