"""Hex text: packs objects that have one long text of hex digits; as bytes, half as large and many times as fast."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import TypeVar

from curate.core.packed import Packing

T = TypeVar("T")


def hex_apart(packing: Packing[T], take: Callable[[T], tuple[T, str]], put: Callable[[T, str], None]) -> Packing[T]:
    """A packing that keeps one text of each object apart.

    `take` gives a copy of an object without its text, and the text, "" without one; `put` gives an object its text.
    """

    def dumps(values: Sequence[T]) -> bytes:
        apart = [_apart(value, *take(value)) for value in values]
        return pickle.dumps((packing.dumps([rest for rest, _ in apart]), [raw for _, raw in apart]), 5)

    def loads(packed: bytes) -> list[T]:
        rest, raws = pickle.loads(packed)
        values = packing.loads(rest)
        for value, raw in zip(values, raws, strict=True):
            if raw:
                put(value, raw.hex())
        return values

    return Packing(dumps, loads)


def _apart(whole: T, rest: T, text: str) -> tuple[T, bytes]:
    """The object without its text and the text as bytes; the whole object where that is no hex as Python writes it."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return whole, b""
    return (rest, raw) if raw.hex() == text else (whole, b"")
