"""Undo: takes back what the last in-place command did, by its journal."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.core.files import (
    copy_file,
    digest_bytes,
    digest_file,
    disk_errors,
    prune_empty,
    remove_leftovers,
    write_bytes,
)
from curate.core.store import Store, Written
from curate.core.transform import Transform
from curate.core.user_changes import KeptTransform
from curate.errors import InputError
from curate.folder.compare import is_any_of, read_text
from curate.folder.journal import AFTER, INSTRUCTIONS, STEPS


def undo(folder: Path, store: Store) -> tuple[str, int]:
    """Takes back the last in-place command; returns its command line and the number of changes taken back.

    Raises InputError where there is nothing to undo, or where a file was changed since.
    """
    places = _places(store.root)
    if not places:
        raise InputError(f"nothing to undo in {folder}")
    place = places[-1]
    facts = json.loads((place / "journal.json").read_text(encoding="utf-8"))
    steps = _steps(place)
    since = _changed_since(folder, place, steps, store)
    if since:
        shown = ", ".join(since[:5]) + (f" and {len(since) - 5} more" if len(since) > 5 else "")
        raise InputError(
            f"changed since `curate {facts['command']}`: {shown}", "move these files out of the folder, then undo again"
        )
    for parent in {(folder / name).parent for step in steps for name in step.names}:
        remove_leftovers(parent)
    for step in reversed(steps):
        _take_back(folder, place, step)
    if "rows" in facts:
        _take_back_rows(folder, store, [Written(**row) for row in facts["rows"]], steps)
    store.forget_unplaced([path for path in store.unplaced() if not (folder / path).exists()])
    instructions = _take_back_instructions(place, store)
    shutil.rmtree(place)
    return facts["command"], len(steps) + instructions


def _take_back_rows(folder: Path, store: Store, before: Sequence[Written], steps: Sequence[_Step]) -> None:
    """Lets the ledger know of the files that the command touched what it knew before it.

    What it knows of others stays: a run may have written them since.
    """
    touched = {name for step in steps for name in step.names}

    def concerned(row: Written) -> bool:
        return row.path in touched or row.caption_path in touched

    store.forget_written([path for path, row in store.written().items() if concerned(row)])
    store.wrote(_timed(folder, row) for row in before if concerned(row))
    store.settle()


def _take_back_instructions(place: Path, store: Store) -> int:
    """Puts back what a person asked for pictures before; returns their number.

    A picture whose source was saved again since is known by its key.
    """
    try:
        rows = json.loads((place / INSTRUCTIONS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    now = {*store.transforms(), *store.concept_overrides()}
    by_key = {key: (origin, key) for origin, key in now}
    for origin, key, plain, concept in rows:
        identity = (origin, key) if (origin, key) in now else by_key.get(key, (origin, key))
        kept = plain and KeptTransform(Transform.from_plain(plain[0]), *plain[1:])
        store.keep_transform(identity, kept)
        store.keep_concept_override(identity, concept)
    store.commit()
    return len(rows)


@dataclass(frozen=True, slots=True)
class _Step:
    """One change of a command, as it was announced.

    names   the file, or two where it was moved
    before  what a rewritten file held, None where there was none
    after   the digest of what it was to hold, "" for other changes
    """

    what: str
    names: tuple[str, ...]
    before: bytes | None = None
    after: str = ""

    @classmethod
    def read(cls, line: str) -> _Step:
        """A line of steps.jsonl. Raises ValueError where a kill cut it short."""
        what, *names = json.loads(line)
        if what != "rewritten":
            return cls(what, tuple(names))
        name, text, digest = names
        return cls(what, (name,), None if text is None else text.encode("utf-8", "surrogateescape"), digest)


def _steps(place: Path) -> list[_Step]:
    try:
        lines = (place / STEPS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    steps: list[_Step] = []
    for line in lines:
        # a kill may have cut the last line short: the change it announces was not made
        with contextlib.suppress(ValueError):
            steps.append(_Step.read(line))
    return steps


def _changed_since(folder: Path, place: Path, steps: Sequence[_Step], store: Store) -> list[str]:
    """What a person changed, made or took away among the files that the command touched."""
    touched = sorted({name for step in steps for name in step.names})
    try:
        after = json.loads((place / AFTER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {digest for step in steps for digest in _digests(step)}
        return [relative for relative in touched if not _known(folder, place, relative, store, known)]
    changed: list[str] = []
    for relative in touched:
        with contextlib.suppress(OSError):
            if after.get(relative) != digest_file(folder / relative):
                changed.append(relative)
    return changed


def _digests(step: _Step) -> Iterator[str]:
    """What a rewritten file held, and was to hold."""
    if step.after:
        yield step.after
    if step.before is not None:
        yield digest_bytes(step.before)


def _known(folder: Path, place: Path, relative: str, store: Store, digests: Collection[str]) -> bool:
    """Whether a file that a killed command touched is gone, as it was before, or as the command was to leave it."""
    path = folder / relative
    try:
        digest = digest_file(path)
    except OSError:
        return True
    if digest in digests:
        return True
    rows = [*store.intended(), *store.written().values()]
    if any(digest == row.digest for row in rows):
        return True
    with contextlib.suppress(OSError):
        if digest == digest_file(place / "files" / relative):
            return True
    text = read_text(path)
    return is_any_of(text, *(row.caption for row in rows), *store.edits().values())


def has_undo(root: Path) -> bool:
    """Whether there is a command to undo; `root` is the ledger folder."""
    return bool(_places(root))


def unfinished(root: Path) -> bool:
    """Whether the last in-place command was killed before it was done; `root` is the ledger folder."""
    places = _places(root)
    return bool(places) and not (places[-1] / AFTER).exists()


def _places(root: Path) -> list[Path]:
    places = sorted((p for p in (root / "undo").glob("*") if p.name.isdigit()), key=lambda p: int(p.name))
    return [p for p in places if (p / "journal.json").is_file()]


def _take_back(folder: Path, place: Path, step: _Step) -> None:
    paths = [folder / name for name in step.names]
    with disk_errors(str(paths[0])):
        if step.what == "created" or (step.what == "rewritten" and step.before is None):
            paths[0].unlink(missing_ok=True)
            prune_empty(paths[0].parent, folder)
        elif step.before is not None:
            write_bytes(paths[0], step.before, sync=False)
        elif step.what == "moved":
            old, new = paths
            if new.exists():
                old.parent.mkdir(parents=True, exist_ok=True)
                new.replace(old)
                prune_empty(new.parent, folder)
        else:
            copy_file(place / "files" / paths[0].relative_to(folder), paths[0])


def _timed(folder: Path, row: Written) -> Written:
    if not row.mtime:
        return row
    try:
        return dataclasses.replace(row, mtime=(folder / row.path).stat().st_mtime_ns)
    except OSError:
        return row
