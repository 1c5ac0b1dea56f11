"""C2PA and CAWG training-and-data-mining assertions in a JUMBF manifest store (ISO 19566-5, C2PA 2.x)."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

_DEPTH = 32
_LABELS = ("c2pa.training-mining", "cawg.training-mining")


def training_mining(store: bytes) -> list[tuple[str, str]]:
    """(entry, use) pairs of every training-mining assertion, such as ("c2pa.ai_training", "notAllowed").

    All manifests of the store count, those of ingredients too: what went into a picture can refuse as well as the
    picture. Signatures are not verified. Broken boxes end the reading of what encloses them; never raises.
    """
    pairs: list[tuple[str, str]] = []
    for label, kind, content in _contents(store, "", 0):
        if not label.split("__")[0].startswith(_LABELS):
            continue
        try:
            value: Any = json.loads(content) if kind == b"json" else Cbor(content).read()
        except (ValueError, IndexError, struct.error, RecursionError):
            continue
        entries = value.get("entries") if isinstance(value, dict) else None
        if not isinstance(entries, dict):
            continue
        for name, entry in entries.items():
            use = entry.get("use") if isinstance(entry, dict) else entry
            if isinstance(name, str) and isinstance(use, str):
                pairs.append((name, use))
    return list(dict.fromkeys(pairs))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, payload) of the ISO boxes in `data`; stops at the first that does not fit (its rest is given)."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= len(data):
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            size = len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size


def _contents(data: bytes, label: str, depth: int) -> Iterator[tuple[str, bytes, bytes]]:
    """(label of the superbox, type, payload) of every json and cbor content box, at any depth."""
    for kind, payload in _boxes(data):
        if kind == b"jumd":
            label = (
                payload[17:].split(b"\0", 1)[0].decode("utf-8", "replace") if payload[16:17] and payload[16] & 2 else ""
            )
        elif kind == b"jumb" and depth < _DEPTH:
            yield from _contents(payload, "", depth + 1)
        elif kind in (b"json", b"cbor"):
            yield label, kind, payload


class Cbor:
    """A reader of CBOR data (RFC 8949) as plain Python values; tags are dropped."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def read(self, depth: int = 0) -> Any:
        """The next item. Raises ValueError or IndexError where the data is no CBOR, ends early or nests too deep."""
        if depth > _DEPTH:
            raise ValueError("nested too deep")
        first = self.data[self.at]
        self.at += 1
        major, info = first >> 5, first & 31
        if major == 7:
            return self._simple(info)
        if info == 31:
            return self._endless(major, depth)
        count = self._count(info)
        if major in (0, 1):
            return count if major == 0 else -1 - count
        if major in (2, 3):
            return self._string(major, count)
        if major == 6:
            return self.read(depth + 1)
        if count > len(self.data):
            raise ValueError("more items than bytes")
        if major == 4:
            return [self.read(depth + 1) for _ in range(count)]
        return dict(self._pair(depth) for _ in range(count))

    def _count(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise ValueError("reserved length")
        size = 1 << (info - 24)
        return int.from_bytes(self._take(size), "big")

    def _take(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise ValueError("ends early")
        self.at += size
        return found

    def _string(self, major: int, size: int) -> bytes | str:
        found = self._take(size)
        return found if major == 2 else found.decode("utf-8", "replace")

    def _pair(self, depth: int) -> tuple[Any, Any]:
        key = self.read(depth + 1)
        return (key if isinstance(key, (str, int, bytes)) else repr(key)), self.read(depth + 1)

    def _simple(self, info: int) -> Any:
        if info < 24:
            return {20: False, 21: True}.get(info)
        if info == 24:
            self._take(1)
            return None
        if info > 27:
            raise ValueError("break without a beginning")
        raw = self._take(1 << (info - 24))
        return struct.unpack({2: ">e", 4: ">f", 8: ">d"}[len(raw)], raw)[0]

    def _endless(self, major: int, depth: int) -> Any:
        items: list[Any] = []
        while self.data[self.at] != 0xFF:
            items.append(self._pair(depth) if major == 5 else self.read(depth + 1))
        self.at += 1
        if major == 5:
            return dict(items)
        if major in (2, 3):
            kind = bytes if major == 2 else str
            return kind().join(item for item in items if isinstance(item, kind))  # type: ignore[arg-type]
        if major != 4:
            raise ValueError("no endless form")
        return items
