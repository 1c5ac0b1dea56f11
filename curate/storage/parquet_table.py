"""Parquet table: pictures in the rows of a table, as the Hub's data sets and img2dataset keep them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, BinaryIO

from curate.errors import MissingError
from curate.images import SUFFIXES
from curate.storage.members import CAPTIONS, Damaged, Members

_PICTURES = ("image", "jpg", "jpeg", "png", "webp", "img", "picture")
_KEYS = ("__key__", "key", "file_name", "filename", "id")
_MARKS = ((0, b"\x89PNG", ".png"), (0, b"GIF8", ".gif"), (8, b"WEBP", ".webp"))
_TOGETHER = 16
"""Rows in memory at a time: pictures of some megabytes each."""


def read_table(file: BinaryIO, size: int, members: Members) -> list[str]:
    """Unpacks a table; returns messages on what is left out. Raises Damaged where it cannot be read any further."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingError(f"tables of pictures cannot be read: {error}", "pip install 'curate[parquet]'") from error
    try:
        table = pq.ParquetFile(file)
        pictures = _picture_column(table.schema_arrow)
        if pictures is None:
            columns = ", ".join(table.schema_arrow.names[:10])
            return [f"not read, because no column holds pictures (its columns: {columns})"]
        folded = {name.casefold(): name for name in reversed(table.schema_arrow.names)}
        others = [folded[name] for name in (*_KEYS, *CAPTIONS) if name in folded]
        number = 0
        for batch in table.iter_batches(_TOGETHER, columns=[pictures, *others]):
            for row in batch.to_pylist():
                _take(row.pop(pictures), row, number, members)
                number += 1
    except (pa.ArrowException, EOFError) as error:
        raise Damaged(str(error).splitlines()[0]) from error
    return []


def _picture_column(schema: Any) -> str | None:
    """The column of pictures: bytes, or {bytes, path} as `datasets` writes them; by name first."""
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:
        return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

    def holds_pictures(kind: Any) -> bool:
        return holds_bytes(kind) or (
            pa.types.is_struct(kind) and any(f.name == "bytes" and holds_bytes(f.type) for f in kind)
        )

    found = [field.name for field in schema if holds_pictures(field.type)]
    named = [name for wanted in _PICTURES for name in found if name.casefold() == wanted]
    structs = [name for name in found if pa.types.is_struct(schema.field(name).type)]
    return next(iter([*named, *structs]), None)


def _take(picture: Any, facts: Mapping[str, Any], number: int, members: Members) -> None:
    """Writes the picture of a row and its caption."""
    path = ""
    if isinstance(picture, dict):
        path, picture = str(picture.get("path") or ""), picture.get("bytes")
    name = _name(path, facts, number)
    if not picture:
        members.refuse(name, "its row holds no picture")
        return
    stem, suffix = posixpath.splitext(name)
    if suffix.lower() not in SUFFIXES:
        stem, suffix = name, _suffix(picture)
    if members.refused(stem):
        return
    key = members.key(stem)
    if key + suffix in members.files:
        key = members.key(f"{stem}~{number}")
    members.write(key + suffix, picture)
    members.caption(key, dict(facts))


def _suffix(picture: bytes) -> str:
    """A suffix for a picture without one; what is in the file is told by its content later."""
    return next((suffix for at, mark, suffix in _MARKS if picture[at : at + len(mark)] == mark), ".jpg")


def _name(path: str, facts: Mapping[str, Any], number: int) -> str:
    """What a row's picture is called: by its path, without folders where those lead elsewhere, or by its key."""
    given = path or next(
        (str(facts[name]) for name in facts if name.casefold() in _KEYS and facts[name] is not None), ""
    )
    parts = given.replace("\\", "/").split("/")
    if given.startswith("/") or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
        given = parts[-1]
    return given if given not in ("", ".", "..") else f"{number:09d}"
