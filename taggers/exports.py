"""Exports of the sites: implications and aliases from csv, csv.gz and json files; and the copies that are kept here."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from taggers.cache import cache_folder
from taggers.errors import BadTableError
from taggers.implications import CORE, Table, core

LOG = logging.getLogger("taggers")
ADMINISTRATIVE = frozenset(
    (
        "avoid_posting",
        "conditional_dnp",
        "avoid_posting_(lore)",
        "conditional_dnp_(lore)",
        "invalid_tag",
        "invalid_background",
    )
)
"""Consequents that say how a site is run, not what a picture shows."""

NAMES = ("antecedent_name", "antecedent", "child", "consequent_name", "consequent", "parent")
_CHILD, _PARENT = NAMES[:3], NAMES[3:]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an export: the antecedent implies, or is an alias of, the consequent."""

    antecedent: str
    consequent: str


def home() -> Path:
    """Where fetched tables are kept: `$CURATE_CACHE`, else the user's cache folder."""
    return cache_folder() / "tags"


def kept(vocabulary: str) -> tuple[Path, Path]:
    """Files of the fetched implications and aliases of a vocabulary; they need not exist."""
    return home() / f"{vocabulary}_implications.csv", home() / f"{vocabulary}_aliases.csv"


def stored(vocabulary: str) -> Table | None:
    """The fetched table of a vocabulary, None where there is none. Raises BadTableError where it is broken."""
    implications, aliases = kept(vocabulary)
    if not implications.is_file():
        return None
    if aliases.is_file():
        return build(rows(implications), rows(aliases))
    return Table(build(rows(implications)).parents, core(vocabulary).aliases)


def files(name: str) -> tuple[Path, ...]:
    """The files whose content decides what `table(name)` gives (none: the package's version does)."""
    if name == "none":
        return ()
    if name in CORE:
        return tuple(p for p in kept(name) if p.is_file())
    path = Path(name).expanduser()
    return tuple(sorted(p for p in path.iterdir() if p.is_file())) if path.is_dir() else (path,)


@cache
def table(name: str) -> Table:
    """A table by vocabulary (`danbooru`, `e621`), `none`, or from a file or folder of exports. Raises BadTableError.

    Of a vocabulary the fetched full table is used where `curate tags update` has put one, else the package's own.
    """
    if name == "none":
        return Table({})
    if name in CORE:
        return stored(name) or core(name)
    found = read(Path(name).expanduser())
    for cycle in found.cycles():
        LOG.warning("%s: these tags imply each other: %s", name, ", ".join(cycle))
    return found


def read(path: Path) -> Table:
    """A table from one file of implications, or from a folder: a file with `alias` in its name holds aliases."""
    if not path.exists():
        raise BadTableError(
            f"{path}: no such file", "give danbooru, e621, none, or a file with the columns antecedent and consequent"
        )
    if path.is_file():
        return build(rows(path))
    found = sorted(p for p in path.iterdir() if p.name.endswith((".csv", ".csv.gz", ".json")))
    if not found:
        raise BadTableError(f"{path}: holds no .csv, .csv.gz or .json")
    aliases = [r for p in found if "alias" in p.name for r in rows(p)]
    return build([r for p in found if "alias" not in p.name for r in rows(p)], aliases)


def build(implications: Sequence[Row], aliases: Sequence[Row] = ()) -> Table:
    """A table of rows."""
    parents: dict[str, list[str]] = {}
    for row in implications:
        if row.consequent not in ADMINISTRATIVE and row.antecedent not in ADMINISTRATIVE:
            parents.setdefault(row.antecedent, []).append(row.consequent)
    return Table(parents, {r.antecedent: r.consequent for r in aliases})


def rows(path: Path) -> list[Row]:
    """Active rows of an export; a file without a status column is all active. Raises BadTableError naming the file."""
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise BadTableError(f"{path}: cannot be read ({error.strerror})") from error


def parse(raw: bytes, name: str) -> list[Row]:
    """Active rows of an export's bytes: csv, gzipped or not, or json; `name` stands in errors. Raises BadTableError."""
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadTableError(f"{name}: cannot be read ({error})", "fetch it again") from error
    found = list(_json(name, text) if text.lstrip()[:1] in ("[", "{") else _csv(name, text))
    if not found:
        raise BadTableError(f"{name}: no active rows in it")
    return found


def _csv(path: str, text: str) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(text, newline=""))
    first = next(lines, [])
    child = next((first.index(n) for n in _CHILD if n in first), None)
    parent = next((first.index(n) for n in _PARENT if n in first), None)
    status = first.index("status") if "status" in first else None
    if child is None or parent is None:
        if len(first) != 2:
            raise BadTableError(
                f"{path}: columns antecedent_name and consequent_name are missing (found: {', '.join(first)})"
            )
        child, parent = 0, 1
        yield Row(first[0].strip(), first[1].strip())
    for line in lines:
        if not line:
            continue
        if len(line) <= max(child, parent, status or 0):
            raise BadTableError(
                f"{path}:{lines.line_num}: a row of {len(line)} columns",
                "the file is cut short or no export; fetch it again",
            )
        if (status is None or line[status] == "active") and line[child] and line[parent]:
            yield Row(line[child], line[parent])


def _json(path: str, text: str) -> Iterator[Row]:
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise BadTableError(f"{path}: not readable as JSON ({error})") from error
    entries = found if isinstance(found, list) else next((v for v in found.values() if isinstance(v, list)), [])
    yield from from_entries(entries, path)


def from_entries(entries: Sequence[Any], name: str) -> Iterator[Row]:
    """Active rows of a site's json answer. Raises BadTableError."""
    for entry in entries:
        if not isinstance(entry, dict) or "antecedent_name" not in entry or "consequent_name" not in entry:
            raise BadTableError(f"{name}: an entry without antecedent_name and consequent_name")
        if entry.get("status", "active") == "active":
            yield Row(entry["antecedent_name"], entry["consequent_name"])
