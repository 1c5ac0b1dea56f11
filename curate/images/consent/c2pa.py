"""C2PA and CAWG training-and-data-mining assertions in a JUMBF manifest store (ISO 19566-5, C2PA 2.x)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from curate.images.consent.packet import Gap, UnreadableError, unbrotli
from curate.images.iso_boxes import in_bytes

_DEEPEST = 32
_LABELS = ("c2pa.training-mining", "cawg.training-mining")


class Assertion(NamedTuple):
    """What an assertion says of one use, such as `c2pa.ai_training` and `notAllowed`."""

    entry: str
    use: str


def training_mining(store: bytes) -> Iterator[Assertion | Gap]:
    """Every training-mining assertion, and the gaps where one cannot be read.

    All manifests of the store count, those of ingredients too: what went into a picture can refuse as well as the
    picture. Signatures are not verified.
    """
    try:
        for label, kind, content in _contents(store, "", 0):
            if label.split("__")[0].startswith(_LABELS):
                yield from _entries(kind, content)
    except (UnreadableError, IndexError) as error:
        yield Gap(f"its content credentials are damaged ({error})")


def _entries(kind: bytes, content: bytes) -> Iterator[Assertion | Gap]:
    value = _value(kind, content)
    entries = value.get("entries") if isinstance(value, dict) else None
    if not isinstance(entries, dict):
        yield Gap("its content credentials state something on AI training that cannot be read")
        return
    for name, entry in entries.items():
        use = entry.get("use") if isinstance(entry, dict) else entry
        if isinstance(name, str) and isinstance(use, str):
            yield Assertion(name, use)
        else:
            yield Gap("its content credentials state something on AI training that cannot be read")


def _value(kind: bytes, content: bytes) -> Any:
    """The assertion as plain Python values; None where it is damaged."""
    import cbor2

    try:
        return json.loads(content) if kind == b"json" else cbor2.loads(content, str_errors="replace")
    except (ValueError, cbor2.CBORError, RecursionError, OverflowError, MemoryError):
        return None


def _contents(data: bytes, label: str, depth: int) -> Iterator[tuple[str, bytes, bytes]]:
    """(label of the superbox, type, content) of every json and cbor content box, at any depth."""
    if depth > _DEEPEST:
        raise UnreadableError("nested too deep")
    for kind, content in in_bytes(data):
        if kind == b"jumd":
            labelled = bool(content[16:17] and content[16] & 2)
            label = content[17:].split(b"\0", 1)[0].decode("utf-8", "replace") if labelled else ""
        elif kind == b"jumb":
            yield from _contents(content, "", depth + 1)
        elif kind == b"brob":  # a compressed manifest
            yield from _contents(_unpacked(content), label, depth + 1)
        elif kind in (b"json", b"cbor"):
            yield label, kind, content


def _unpacked(content: bytes) -> bytes:
    plain, reason = unbrotli(content[4:])
    if reason:
        raise UnreadableError(reason)
    return plain
