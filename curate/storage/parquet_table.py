"""Parquet table: pictures in the rows of a table, as the Hub's data sets and img2dataset keep them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, BinaryIO

from curate.core.counting import counted
from curate.errors import MissingError, library_reason
from curate.images import SUFFIXES
from curate.storage.members import CAPTIONS, MASK, Damaged, Members

_PICTURES = ("image", "jpg", "jpeg", "png", "webp", "img", "picture")
_MASK = "mask"
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
        masks = [name for name in _picture_columns(table.schema_arrow) if name == _MASK and name != pictures]
        number, several = 0, 0
        for batch in table.iter_batches(_TOGETHER, columns=[pictures, *others, *masks]):
            for row in batch.to_pylist():
                several += _first_captions(row)
                _take(row.pop(pictures), row.pop(_MASK, None), row, number, members)
                number += 1
    except (pa.ArrowException, EOFError) as error:
        raise Damaged(library_reason(error)) from error
    return [f"{counted(several, 'picture')} with several captions: the first one is taken"] if several else []


def _first_captions(row: dict[str, Any]) -> bool:
    """Takes the first caption where a row has a list of them; whether others are left out."""
    lists = {name: value for name, value in row.items() if name.casefold() in CAPTIONS and isinstance(value, list)}
    row.update({name: next((one for one in value if one), None) for name, value in lists.items()})
    return any(len(value) > 1 for value in lists.values())


def _picture_column(schema: Any) -> str | None:
    """The column of pictures, by name first."""
    found = _picture_columns(schema)
    named = [name for wanted in _PICTURES for name in found if name.casefold() == wanted]
    return next(iter([*named, *(name for name, is_struct in found.items() if is_struct and name != _MASK)]), None)


def _picture_columns(schema: Any) -> dict[str, bool]:
    """The columns that may hold pictures: bytes, or {bytes, path} as `datasets` writes them, for which it is True."""
    import pyarrow as pa

    def holds_bytes(kind: Any) -> bool:
        return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)

    def holds_pictures(kind: Any) -> bool:
        return holds_bytes(kind) or (
            pa.types.is_struct(kind) and any(f.name == "bytes" and holds_bytes(f.type) for f in kind)
        )

    return {field.name: pa.types.is_struct(field.type) for field in schema if holds_pictures(field.type)}


def _take(picture: Any, mask: Any, facts: Mapping[str, Any], number: int, members: Members) -> None:
    """Writes the picture of a row, its mask and its caption."""
    path = ""
    if isinstance(picture, dict):
        path, picture = str(picture.get("path") or ""), picture.get("bytes")
    name = _name(path, facts, number)
    if not picture:
        members.refuse(f"{members.archive}, row {number + 1}", "it holds no picture")
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
    if isinstance(mask, dict):
        mask = mask.get("bytes")
    if mask:
        members.write(f"{key}{MASK}", mask)
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
