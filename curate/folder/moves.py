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
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path, PurePosixPath

from curate.core.events import Listener, Note
from curate.core.store import Store
from curate.core.user_changes import Identity
from curate.core.written import Written
from curate.folder.compare import is_any_of, read_text
from curate.folder.listing import pictures
from curate.folder.moved_captions import caption_of_move, find_captions
from curate.folder.renamed_folders import Move, keep_repeats, parents, votes_of


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
        moved = dataclasses.replace(row, path=new, mtime=mtime, caption_path=caption_of_move(folder, row, new))
        if rows.get(row.path) is row:
            store.forget_written([row.path])
            del rows[row.path]
        store.wrote([moved])
        rows[new] = moved
        tell(Note("info", f"{row.path} was moved by hand to {new}; its caption is kept there", key=row.key))
    if not misplaced and store.sources():  # else no run asks which concept a picture is of: its folder says it
        _report_concepts(store, moves, tell)
    find_captions(folder, store, rows, moves)
    keep_repeats(folder, store, moves, tell)
    return moves


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
    votes = votes_of((row, path) for path, digest in known.items() for row in by_digest[digest])
    moves: list[Move] = []
    for path, digest in known.items():
        candidates = by_digest[digest]
        if not candidates:
            continue

        def likelihood(row: Written, path: str = path) -> tuple[bool, int, bool]:
            text = read_text(folder / (caption_of_move(folder, row, path) or PurePosixPath(path).with_suffix(".txt")))
            says = is_any_of(text, edits.get((row.origin, row.key)), row.caption)
            return says, votes[parents(row, path)], PurePosixPath(row.path).name == PurePosixPath(path).name

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
    votes = votes_of(moves)
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
