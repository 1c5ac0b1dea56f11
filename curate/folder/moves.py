"""Moves: pictures of ours that a person moved or renamed keep what is known of them.

Which file on disk is which of ours:

1. A picture is the one with the content that we wrote. Equal pictures are told apart by caption, folder and name.
2. A folder has become another if pictures of ours went there under their names. A folder that is gone has also become
   the one folder that all its pictures went to.
3. A picture whose content a person changed is the one of its name in the folder that its folder has become, or the only
   one of its name where the folder is gone. A killed run may have given it another folder and name: these count too.
4. A caption is beside its picture, else under its old name there, else where it was, else beside it under another
   suffix (a killed run had not changed it yet), else under its old name in the folder that its folder has become.

A kill breaks none of this: a run writes a picture before its caption, and removes a caption before its picture. So a
caption of ours always has a picture beside it, and the picture says where both went. `duplicate_captions` takes up what
a killed run left twice.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path, PurePosixPath

from curate import images
from curate.core.events import Listener, Note
from curate.core.files import inside
from curate.core.store import LEDGER, Store, Written
from curate.core.user_changes import Identity, RepeatsOverride
from curate.folder import unplaced_captions
from curate.folder.compare import caption_path, is_any_of, read_text
from curate.names import folder_name

Move = tuple[Written, str]
"""A picture as it was written, and the path where it is now."""


def follow_moves(
    folder: Path,
    store: Store,
    rows: MutableMapping[str, Written],
    misplaced: Sequence[Written],
    edits: Mapping[Identity, str],
    tell: Listener,
) -> list[Move]:
    """Finds pictures that are not in their place, and gives them their new paths in `rows` and the ledger.

    `rows` may be without records, as far as the ledger has them.
    `misplaced` are pictures that a killed run may have written and that are not in their place either. Returns the
    moves.
    """
    missing = [row for row in rows.values() if not os.path.exists(f"{folder}/{row.path}")]  # noqa: PTH110
    if not missing and not misplaced:
        return []
    rows.update(store.with_records(missing))
    missing = [rows[row.path] for row in missing]
    foreign = [path for path in pictures(folder) if path not in rows]
    moves = _by_content(folder, store, itertools.chain(misplaced, missing), foreign, edits)
    changed = _by_name(folder, missing, misplaced, foreign, moves)
    moves += changed
    for row, new in moves:
        # no time matches a picture that a person changed, which may well have the old size
        mtime = (folder / new).stat().st_mtime_ns if (row, new) not in changed else 0
        moved = dataclasses.replace(row, path=new, mtime=mtime, caption_path=_caption_path(folder, row, new))
        if rows.get(row.path) is row:
            store.forget_written([row.path])
            del rows[row.path]
        store.wrote([moved])
        rows[new] = moved
        tell(Note("info", f"{row.path} was moved by hand to {new}; its caption is kept there", key=row.key))
    if not misplaced and store.sources():  # else no run asks which concept a picture is of: its folder says it
        _report_concepts(store, moves, tell)
    _with_moved_captions(folder, store, rows, moves)
    _keep_repeats(folder, store, moves, tell)
    return moves


def pictures(folder: Path) -> list[str]:
    """The paths of all picture files in a prepared folder, whoever put them there; those of the ledger are left out."""
    return [path for path in files(folder) if images.may_be_picture(f"{folder}/{path}")]


def files(folder: Path) -> list[str]:
    """The paths of all files but those of the ledger, sorted."""
    paths: list[str] = []
    relative = inside(folder)
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != LEDGER]
        start = "" if place == str(folder) else f"{relative(place)}/"
        paths += [start + name for name in names]
    return sorted(paths)


def _by_content(
    folder: Path, store: Store, lost: Iterable[Written], foreign: Sequence[str], edits: Mapping[Identity, str]
) -> list[Move]:
    """Each lost picture with the file that holds its content. Equal ones are told apart by caption, folder and name."""
    digests = zip(foreign, store.digests([folder / path for path in foreign]), strict=True)
    contents = {path: digest for path, (_, digest) in digests if isinstance(digest, str)}
    by_digest: dict[str, list[Written]] = {digest: [] for digest in contents.values()}
    for row in lost if foreign else ():
        if row.digest in by_digest:
            by_digest[row.digest].append(row)
    known = {path: digest for path, digest in contents.items() if by_digest[digest]}
    votes = _votes((row, path) for path, digest in known.items() for row in by_digest[digest])
    moves: list[Move] = []
    for path, digest in known.items():
        candidates = by_digest[digest]
        if not candidates:
            continue

        def likelihood(row: Written, path: str = path) -> tuple[bool, int, bool]:
            text = read_text(folder / (_caption_path(folder, row, path) or PurePosixPath(path).with_suffix(".txt")))
            says = is_any_of(text, edits.get((row.origin, row.key)), row.caption)
            return says, votes[_parents(row, path)], PurePosixPath(row.path).name == PurePosixPath(path).name

        row = max(candidates, key=likelihood)
        candidates.remove(row)
        moves.append((row, path))
    return moves


def _by_name(
    folder: Path,
    missing: Sequence[Written],
    misplaced: Sequence[Written],
    foreign: Sequence[str],
    moves: Sequence[Move],
) -> list[Move]:
    """Pictures changed as well: under their name where others of their folder went, or where it was renamed."""
    votes = _votes(moves)
    followed = {id(row) for row, _ in moves}
    free = set(foreign) - {path for _, path in moves}
    found: list[Move] = []
    lost = [row for row in missing if id(row) not in followed] if free else []
    intended = {row.key: list[str]() for row in lost}
    for row in misplaced if lost else ():
        if row.key in intended:
            intended[row.key].append(row.path)
    for row in lost:
        for old in (row.path, *intended[row.key]):
            path = _place_by_name(folder, PurePosixPath(old), free, votes)
            if path is not None:
                free.remove(path)
                found.append((row, path))
                break
    return found


def _place_by_name(
    folder: Path, old: PurePosixPath, free: Iterable[str], votes: Mapping[tuple[str, str], int]
) -> str | None:
    """The one file of that name where the folder went; None where there is none, or more than one."""
    places = [path for path in map(PurePosixPath, free) if path.name == old.name]
    voted = [path for path in places if (old.parent.as_posix(), path.parent.as_posix()) in votes]
    if not voted and not (folder / old.parent).exists():
        voted = places
    return voted[0].as_posix() if len(voted) == 1 else None


def _with_moved_captions(folder: Path, store: Store, rows: MutableMapping[str, Written], moves: Sequence[Move]) -> None:
    """A picture that was removed may have left its caption in a folder that was renamed since.

    Where no other picture tells, a text of ours is taken for a copy of the person's own, unless repeats alone changed.
    """
    present = {(row.origin, row.key) for row in rows.values() if (folder / row.path).exists()}
    lost = [r for r in rows.values() if r.caption_path and _is_gone(folder, r) and (r.origin, r.key) not in present]
    if not lost:
        return
    renamed = folders_after(folder, moves)
    known, past = store.edits(), store.past_edits()
    captions = {row.caption_path for row in rows.values()}
    free: dict[str, list[PurePosixPath]] = {}
    for path in map(PurePosixPath, files(folder)):
        if path.as_posix() not in captions and path.parts[0] != unplaced_captions.FOLDER:
            free.setdefault(path.name, []).append(path)
    for row in lost:
        old = PurePosixPath(row.caption_path)
        places = free.get(old.name, [])
        became = renamed.get(old.parent.as_posix(), ())
        voted = [path for path in places if path.parent.as_posix() in became]
        if not became and len(places) == 1 and not (folder / old.parent).exists():
            identity = (row.origin, row.key)
            ours = is_any_of(read_text(folder / places[0]), row.caption, known.get(identity), *past.get(identity, ()))
            if not ours or folder_name(places[0].parent.name).words == folder_name(old.parent.name).words:
                voted = places
        if len(voted) == 1:
            [whole] = store.with_records([row]).values()
            rows[row.path] = dataclasses.replace(whole, caption_path=voted[0].as_posix())
            store.wrote([rows[row.path]])


def _is_gone(folder: Path, row: Written) -> bool:
    return not (folder / row.path).exists() and not (folder / row.caption_path).exists()


def _parents(row: Written, path: str) -> tuple[str, str]:
    return PurePosixPath(row.path).parent.as_posix(), PurePosixPath(path).parent.as_posix()


def _votes(moves: Iterable[Move]) -> Counter[tuple[str, str]]:
    """How many pictures of the same name speak for a folder's having become another."""
    return Counter(
        _parents(row, path) for row, path in moves if PurePosixPath(row.path).name == PurePosixPath(path).name
    )


def folders_after(folder: Path, moves: Sequence[Move]) -> dict[str, set[str]]:
    """What folders of ours have become: the old path of each, and its new ones."""
    renamed: dict[str, set[str]] = {}
    for old, new in _votes(moves):
        renamed.setdefault(old, set()).add(new)
    for _, old, new in _renamed_folders(folder, moves):
        renamed.setdefault(old, set()).add(new)
    return renamed


def _caption_path(folder: Path, row: Written, new: str) -> str:
    """Where the caption of a moved picture is: see rule 4 of the module. "" where it has none."""
    if not row.caption_path:
        return ""
    old, moved = PurePosixPath(row.caption_path), PurePosixPath(new)
    beside = moved.with_suffix(old.suffix)
    for place in (beside, moved.parent / old.name, old):
        if (folder / place).exists():
            return place.as_posix()
    return caption_path(folder, dataclasses.replace(row, path=new, caption_path=beside.as_posix()))


def _report_concepts(store: Store, moves: Sequence[Move], tell: Listener) -> None:
    """A picture moved among those of another concept goes back, since its source says which concept it is of."""
    moved = {path for _, path in moves}
    concepts: dict[str, set[str]] = {}
    for row in store.each_written() if moves else ():
        if row.path not in moved:
            place = PurePosixPath(row.path).parent.as_posix()
            concepts.setdefault(place, set()).add(str(row.record.get("concept", "")))
    for row, path in moves:
        there = concepts.get(PurePosixPath(path).parent.as_posix(), set())
        own = str(row.record.get("concept", ""))
        if there and own not in there:
            message = f"you moved it to {PurePosixPath(path).parent}, but it is of {own}: it is moved back"
            hint = "to move it to another concept, use `curate review`, or move its source picture"
            tell(Note("warning", f"{message}; {hint}", key=row.key))


def _keep_repeats(folder: Path, store: Store, moves: Sequence[Move], tell: Listener) -> None:
    """`1_dog` renamed to `5_dog` is a person's word on its repeats; renamed back it is taken back."""
    overrides = store.repeats()
    for concept, old, new in _renamed_folders(folder, moves):
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


def _renamed_folders(folder: Path, moves: Sequence[Move]) -> Iterator[tuple[str, str, str]]:
    """Concept, old and new name of each folder that is gone and whose pictures went to one other."""
    targets: dict[str, set[str]] = {}
    concepts: dict[str, set[str]] = {}
    for row, path in moves:
        old, new = _parents(row, path)
        targets.setdefault(old, set()).add(new)
        concepts.setdefault(old, set()).add(str(row.record.get("concept", "")))
    for old, new in targets.items():
        if len(new) == 1 and len(concepts[old]) == 1 and not (folder / old).exists():
            yield next(iter(concepts[old])), old, next(iter(new))
