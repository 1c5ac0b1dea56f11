"""Encoding: the bytes of caption files as text. Everything that reads a caption reads it here."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from curate.captions.detect_encoding import UTF8, detect
from curate.core.files import read_bytes
from curate.errors import InputError

# UTF-32's mark begins with UTF-16's
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


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


def read_caption(path: Path | str, encoding: str = "") -> str:
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


def _bytes(path: Path | str) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise InputError(f"{path}: caption cannot be read ({error.strerror})") from error


def _decoded(path: Path | str, raw: bytes, encoding: str) -> Decoded:
    try:
        return decode(raw, encoding)
    except UnicodeDecodeError as error:
        name = encoding or "UTF-8"
        raise InputError(f"{path}: caption is not {name} at byte {error.start}", "save it as UTF-8 text") from error
    except ValueError as error:
        raise InputError(f"{path}: the caption cannot be read, {error}", "save it as UTF-8 text") from error
