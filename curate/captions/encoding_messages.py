"""What people are told of captions that are not plain UTF-8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from curate.captions.detect_encoding import UTF8
from curate.captions.encoding import Decoded

_CALLED = {"utf-8-sig": "UTF-8 with a byte-order mark", "utf-16": "UTF-16", "utf-32": "UTF-32"}


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
