"""Renamed folders: what folders of ours have become, as moved pictures tell, and the repeats that a new name gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from curate.core.events import Listener, Note
from curate.core.store import Store
from curate.core.user_changes import RepeatsOverride
from curate.core.written import Written
from curate.names import folder_name

Move = tuple[Written, str]
"""A picture as it was written, and the path where it is now."""


def parents(row: Written, path: str) -> tuple[str, str]:
    """The folders of a picture as it was written, and as it is now."""
    return PurePosixPath(row.path).parent.as_posix(), PurePosixPath(path).parent.as_posix()


def votes_of(moves: Iterable[Move]) -> Counter[tuple[str, str]]:
    """How many pictures of the same name speak for a folder's having become another."""
    return Counter(
        parents(row, path) for row, path in moves if PurePosixPath(row.path).name == PurePosixPath(path).name
    )


def folders_after(folder: Path, moves: Sequence[Move]) -> dict[str, set[str]]:
    """What folders of ours have become: the old path of each, and its new ones."""
    renamed: dict[str, set[str]] = {}
    for old, new in votes_of(moves):
        renamed.setdefault(old, set()).add(new)
    for _, old, new in renamed_folders(folder, moves):
        renamed.setdefault(old, set()).add(new)
    return renamed


def renamed_folders(folder: Path, moves: Sequence[Move]) -> Iterator[tuple[str, str, str]]:
    """Concept, old and new name of each folder that is gone and whose pictures went to one other."""
    targets: dict[str, set[str]] = {}
    concepts: dict[str, set[str]] = {}
    for row, path in moves:
        old, new = parents(row, path)
        targets.setdefault(old, set()).add(new)
        concepts.setdefault(old, set()).add(str(row.record.get("concept", "")))
    for old, new in targets.items():
        if len(new) == 1 and len(concepts[old]) == 1 and not (folder / old).exists():
            yield next(iter(concepts[old])), old, next(iter(new))


def keep_repeats(folder: Path, store: Store, moves: Sequence[Move], tell: Listener) -> None:
    """`1_dog` renamed to `5_dog` is a person's word on its repeats; renamed back it is taken back."""
    overrides = store.repeats()
    for concept, old, new in renamed_folders(folder, moves):
        before, after = folder_name(old), folder_name(new)
        if not before.repeats or before.repeats == after.repeats:
            continue
        if before.words != after.words or not after.repeats:
            message = f"{old} was renamed to {new}: trigger and repeats decide the name, so it is renamed back"
            tell(Note("warning", f"{message}; to keep it, set it under `concepts: {concept}:` in the pipeline"))
            continue
        generated = overrides[concept].generated if concept in overrides else before.repeats
        if after.repeats == generated:
            store.forget_repeats(concept)
        else:
            store.keep_repeats(concept, RepeatsOverride(after.repeats, generated))
    store.commit()
