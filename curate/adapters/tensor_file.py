"""Reads and writes safetensors files tensor by tensor: a file larger than the memory is no problem."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from curate.adapters.safetensors_file import DTYPES
from curate.core.files import write_atomic
from curate.errors import InputError

TORCH_DTYPES = {name: dtype for dtype, name in DTYPES.items()}
LONGEST_HEADER = 100_000_000
"""Bytes of a header that the format allows."""
CHUNK = 1 << 22
LEGACY = range(0x100000, 0x110000)
"""The bytes of a file that kohya's old hash is of."""
HASHES = ("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256")


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor in a file: its type by the format's name, its shape, and its bytes from the start of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def torch_dtype(self) -> torch.dtype:
        """Raises InputError for a type that torch lacks."""
        if self.dtype not in TORCH_DTYPES:
            raise InputError(f"tensors of type {self.dtype} cannot be read")
        return TORCH_DTYPES[self.dtype]


@dataclass(frozen=True, slots=True)
class TensorFile:
    """The header of a safetensors file; tensors are read one by one, and not mapped into memory."""

    path: Path
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]
    data_start: int

    @classmethod
    def open(cls, path: Path) -> TensorFile:
        """Raises InputError that says what a file is that is no whole safetensors file."""
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                head = file.read(256)
                if problem := _not_safetensors(head, size):
                    raise InputError(f"{path} {problem[0]}", problem[1])
                length = int.from_bytes(head[:8], "little")
                file.seek(8)
                header = _header(file.read(length), path)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}", "check the name") from error
        start = 8 + length
        metadata = header.pop("__metadata__", None) or {}
        entries = {name: _entry(name, value, start, path) for name, value in header.items()}
        if (last := max((e.end for e in entries.values()), default=start)) > size:
            raise InputError(
                f"{path} is truncated: it has {size:,} bytes, and its header promises {last:,}",
                "download or save it again",
            )
        return cls(path, entries, {str(k): str(v) for k, v in metadata.items()}, start)

    def read(self, name: str) -> Tensor:
        """One tensor, in memory of its own."""
        entry = self.entries[name]
        raw = bytearray(entry.end - entry.start)
        with self.path.open("rb") as file:
            file.seek(entry.start)
            file.readinto(raw)
        dtype = entry.torch_dtype
        if not raw:
            return torch.empty(entry.shape, dtype=dtype)
        return torch.frombuffer(raw, dtype=dtype).reshape(entry.shape)

    def raw(self, name: str) -> Iterator[bytes]:
        """The bytes of one tensor, in pieces."""
        entry = self.entries[name]
        with self.path.open("rb") as file:
            file.seek(entry.start)
            for at in range(entry.start, entry.end, CHUNK):
                yield file.read(min(CHUNK, entry.end - at))

    def data(self) -> Iterator[bytes]:
        """Everything after the header, in pieces."""
        with self.path.open("rb") as file:
            file.seek(self.data_start)
            while piece := file.read(CHUNK):
                yield piece


Piece = bytes | memoryview
Sizes = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]


def file_size(sizes: Sizes, metadata: Mapping[str, str]) -> int:
    """Bytes of a file of these tensors."""
    header, data = _layout(sizes)
    return len(_head(header, _with_places(metadata))) + data


def _layout(sizes: Sizes) -> tuple[dict[str, Any], int]:
    """A header without metadata, in the order of the library's own writer, and the bytes of the tensors."""
    rank = list(DTYPES)
    header: dict[str, Any] = {}
    at = 0
    for name in sorted(sizes, key=lambda n: (-rank.index(sizes[n][0]), n)):
        dtype, shape = sizes[name]
        end = at + torch.Size(shape).numel() * dtype.itemsize
        header[name] = {"dtype": DTYPES[dtype], "shape": list(shape), "data_offsets": [at, end]}
        at = end
    return header, at


def _with_places(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata with as much room for hashes as they will need."""
    places = {"sshs_model_hash": "0" * 64, "sshs_legacy_hash": "0" * 8, "modelspec.hash_sha256": "0x" + "0" * 64}
    return dict(metadata) | {key: places[key] for key in HASHES if key in metadata}


def write(
    path: Path, sizes: Sizes, tensor: Callable[[str], Tensor | Iterator[bytes]], metadata: Mapping[str, str]
) -> None:
    """Writes a file of tensors of these types and shapes; `tensor` makes them one by one, or gives their bytes.

    Those of `HASHES` that `metadata` names are filled in. Readers see the old file or the whole new one.
    """
    header, _ = _layout(sizes)

    def pieces() -> Iterator[Piece]:
        for name in header:
            made = tensor(name)
            if not isinstance(made, Tensor):
                yield from made
                continue
            if (made.dtype, tuple(made.shape)) != (sizes[name][0], tuple(sizes[name][1])):
                raise AssertionError(f"{name} is {made.dtype} {list(made.shape)} and not as announced")
            yield raw_bytes(made)

    write_atomic(path, lambda place: _write(place, header, pieces(), metadata))


def write_header(source: TensorFile, path: Path, metadata: Mapping[str, str]) -> None:
    """Writes a file anew with other metadata; the bytes of its tensors are copied as they are."""
    start = source.data_start
    header = {
        name: {"dtype": e.dtype, "shape": list(e.shape), "data_offsets": [e.start - start, e.end - start]}
        for name, e in source.entries.items()
    }
    write_atomic(path, lambda place: _write(place, header, source.data(), metadata))


def raw_bytes(tensor: Tensor) -> memoryview | bytes:
    """A tensor's bytes as a file holds them, without a copy."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data if flat.numel() else b""


def _write(path: Path, header: Mapping[str, Any], pieces: Iterator[Piece], metadata: Mapping[str, str]) -> None:
    """Hashes are of the bytes that follow the header, so their places are kept and filled in at the end."""
    held = _with_places(metadata)
    kohya = len(_head(header, {k: v for k, v in held.items() if k.startswith("ss_")}))
    with path.open("r+b") as file:
        file.write(_head(header, held))
        found = _hashes(file, pieces, kohya)
        file.seek(0)
        file.write(_head(header, held | {key: found[key] for key in HASHES if key in held}))


def _hashes(file: BinaryIO, pieces: Iterator[Piece], start: int) -> dict[str, str]:
    """Writes what follows a header and computes its hashes as if the header had `start` bytes, as kohya's has."""
    content, legacy = hashlib.sha256(), hashlib.sha256()
    at = start
    for piece in pieces:
        file.write(piece)
        content.update(piece)
        legacy.update(piece[max(0, LEGACY.start - at) : max(0, LEGACY.stop - at)])
        at += len(piece)
    return {
        "sshs_model_hash": content.hexdigest(),
        "sshs_legacy_hash": legacy.hexdigest()[:8],
        "modelspec.hash_sha256": f"0x{content.hexdigest()}",
    }


def _head(header: Mapping[str, Any], metadata: Mapping[str, str]) -> bytes:
    whole = {**({"__metadata__": dict(sorted(metadata.items()))} if metadata else {}), **header}
    head = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head


def _header(text: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} has a damaged header: {error}", "download or save it again") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} has a header that is not an object", "download or save it again")
    return found


def _entry(name: str, value: Any, start: int, path: Path) -> Entry:
    try:
        first, last = value["data_offsets"]
        shape = tuple(int(n) for n in value["shape"])
        entry = Entry(str(value["dtype"]), shape, start + int(first), start + int(last))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: the header's entry {name} is damaged", "download or save it again") from error
    known = TORCH_DTYPES.get(entry.dtype)
    if first < 0 or last < first or (known and last - first != torch.Size(shape).numel() * known.itemsize):
        raise InputError(f"{path}: the size of {name} does not fit its shape", "download or save it again")
    return entry


def _not_safetensors(head: bytes, size: int) -> tuple[str, str] | None:
    """What a file is that does not start as safetensors does, and the remedy."""
    again = "download it again"
    if not size:
        return "is empty", again
    length = int.from_bytes(head[:8], "little")
    opens = head[8:9] == b"{" and length <= LONGEST_HEADER  # a header of 0x280 bytes begins as pickles do
    if not opens and head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return "is a pickle, which can run code when it is read", "get it as .safetensors"
    if head.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS and not the file itself", "run `git lfs pull`, or download it from the site"
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return "is a web page and not a model: the site asked for a login", "log in and download it again"
    if size < 10 or not opens:
        return "is not a safetensors file", "give a .safetensors file"
    if 8 + length > size:
        return f"is truncated: it has {size:,} bytes, and its header alone has {length:,}", again
    return None
