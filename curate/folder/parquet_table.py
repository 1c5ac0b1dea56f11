"""Parquet tables of a prepared folder: one row for each picture, as the Hub's image data sets have them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate.core.database import chunks
from curate.errors import MissingError
from curate.folder.archive_entries import Entry, Sample
from curate.images import masks

TABLES = "parquet"
"""The folder of the tables, `dataset-000000.parquet` and so on."""
_CAPTION, _FACTS, _MASK = "text", "facts", "mask"
_BYTES = 64 << 20
"""Pictures are written to the file as soon as so many bytes of them are in memory."""
_FACT_COLUMNS = {"concept": "string", "repeats": "int64", "trigger": "list", "tags": "list", "edited": "bool"}


def missing() -> list[MissingError]:
    """The library that writes tables, where it is not installed."""
    if importlib.util.find_spec("pyarrow") is not None:
        return []
    return [MissingError("export: parquet tables need the package pyarrow", "pip install 'curate[parquet]'")]


def tables_of(folder: Path, samples: Sequence[Sample], size: int) -> dict[str, list[Entry]]:
    """Tables of `size` pictures: what stands in their rows, the picture first."""
    return {
        f"{TABLES}/dataset-{number:06d}.parquet": [entry for sample in part for entry in _as_row(folder, sample)]
        for number, part in enumerate(chunks(samples, size))
    }


def _as_row(folder: Path, sample: Sample) -> Iterator[Entry]:
    yield str(sample.path), folder / sample.path
    yield _CAPTION, sample.caption.encode()
    yield _FACTS, json.dumps(sample.facts, ensure_ascii=False).encode()
    mask = folder / masks.FOLDER / sample.path.with_suffix(".png")
    if mask.is_file():
        yield _MASK, mask


def write_table(path: Path, entries: Sequence[Entry]) -> None:
    """Writes a table, some pictures at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kinds = {"string": pa.string(), "int64": pa.int64(), "bool": pa.bool_(), "list": pa.list_(pa.string())}
    schema = pa.schema(
        [("image", picture), (_CAPTION, pa.string()), ("mask", picture)]
        + [(name, kinds[kind]) for name, kind in _FACT_COLUMNS.items()],
        metadata={"huggingface": json.dumps({"info": {"features": _features()}})},
    )
    with pq.ParquetWriter(path, schema, compression="none") as writer:  # pictures are compressed already
        rows: list[Mapping[str, Any]] = []
        held = 0
        for row in _rows(entries):
            rows.append(row)
            held += len(row["image"]["bytes"])
            if held > _BYTES:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows, held = [], 0
        writer.write_table(pa.Table.from_pylist(rows, schema))


def _rows(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {}
    for name, content in entries:
        data = content if isinstance(content, bytes) else content.read_bytes()
        if name == _CAPTION:
            row[_CAPTION] = data.decode()
        elif name == _FACTS:
            row.update(json.loads(data))
        elif name == _MASK:
            row["mask"] = {"bytes": data, "path": None}
        else:
            if row:
                yield row
            row = {"image": {"bytes": data, "path": name}, "mask": None}
    if row:
        yield row


def _features() -> dict[str, Any]:
    """What `datasets` takes each column for."""
    plain = {
        name: {"dtype": kind, "_type": "Value"}
        if kind != "list"
        else {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
        for name, kind in _FACT_COLUMNS.items()
    }
    image = {"_type": "Image"}
    return {"image": image, _CAPTION: {"dtype": "string", "_type": "Value"}, "mask": image, **plain}
