"""What a reader of a container yields: a metadata packet, or a gap where it could not look."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import BinaryIO, Literal

from curate.images.iso_boxes import UnreadableError

LARGEST = 64 << 20
"""Bytes of metadata that are read at most, packed and unpacked: a hundred times the largest that programs write."""


Damage = Literal["", "picture", "metadata"]


@dataclass(frozen=True, slots=True)
class Packet:
    """An XMP packet or a C2PA manifest store as it is in the file."""

    source: Literal["xmp", "c2pa"]
    data: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """A place that may hold a statement and cannot be read, and why.

    `damage` is where the file itself does not hold together: in its picture, with everything before it read, or
    anywhere else. It is empty where the file is whole.
    """

    reason: str
    damage: Damage = ""


Part = Packet | Gap


def read(file: BinaryIO, size: int) -> bytes:
    """Exactly `size` bytes. Raises UnreadableError where the file ends earlier, or where they are more than LARGEST."""
    if size > LARGEST:
        raise UnreadableError(f"its metadata are more than {LARGEST >> 20} MiB")
    data = file.read(max(size, 0))
    if len(data) < size:
        raise UnreadableError("the file ends within its metadata")
    return data


def inflate(data: bytes) -> tuple[bytes, str]:
    """What a zlib stream unpacks to, and why that is not all; an empty reason where it is."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, LARGEST)
    except zlib.error as error:
        return b"", f"its packed metadata are damaged ({error})"
    if stream.eof:
        return plain, ""
    return plain, _cut(len(plain))


def unbrotli(data: bytes) -> tuple[bytes, str]:
    """As `inflate`, of a brotli stream."""
    import brotli

    stream = brotli.Decompressor()
    try:
        plain: bytes = stream.process(data, output_buffer_limit=LARGEST)
    except brotli.error as error:
        return b"", f"its packed metadata are damaged ({error})"
    # the limit is kept to the next block of its buffer alone
    if stream.is_finished() and len(plain) <= LARGEST:
        return plain, ""
    return plain[:LARGEST], _cut(len(plain))


def _cut(size: int) -> str:
    if size >= LARGEST:
        return f"its metadata unpack to more than {LARGEST >> 20} MiB"
    return "its packed metadata end early"
