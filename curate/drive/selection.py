"""Selection: the records of the concepts that a command works on, and its results among the other records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from curate.core.record import Manifest, Record
from curate.core.registry import nearest
from curate.errors import InputError
from curate.names import folder_name


def select(manifest: Manifest, concepts: Sequence[str], source: Path) -> set[str]:
    """The keys of the records of these concepts, all of them without any; folder names (`5_dog`) will do.

    Raises InputError naming the nearest where there is no such concept.
    """
    names = sorted({r.concept for r in manifest})
    folders = {words: r.concept for r in manifest if (words := _folder_words(r, source))}
    wanted: set[str] = set()
    for name in concepts:
        words = folder_name(name).name
        wanted.add(name if name in names else folders.get(words, words))
    for name in sorted(wanted - set(names)):
        raise InputError(f'no concept "{name}" in {source}', nearest(name, names))
    return {r.key for r in manifest if not wanted or r.concept in wanted}


def _folder_words(record: Record, source: Path) -> str:
    """The words of the name of the folder in `source` in which the record's picture lies; "" outside of one."""
    path = Path(record.image.path)
    parts = path.relative_to(source.absolute()).parts if path.is_relative_to(source.absolute()) else ()
    return folder_name(parts[0]).name if len(parts) > 1 else ""


def merge(manifest: Manifest, results: Manifest, selected: Collection[str]) -> Manifest:
    """The results of a stage, each in the place of the record it came from, among the records not `selected`."""
    by_source: dict[str, list[Record]] = {}
    for record in results:
        by_source.setdefault(record.key if record.key in selected else record.key.rpartition("#")[0], []).append(record)
    return Manifest(new for old in manifest for new in (by_source.get(old.key, []) if old.key in selected else [old]))
