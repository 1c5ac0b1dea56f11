"""Journal: what an in-place command replaced, and how it is taken back."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.core.files import (
    copy_file,
    digest_bytes,
    digest_file,
    disk_errors,
    prune_empty,
    remove_leftovers,
    write_bytes,
    write_text,
)
from curate.core.store import Store, Written
from curate.core.transform import Transform
from curate.core.user_changes import Identity, KeptTransform
from curate.errors import InputError
from curate.folder.compare import is_any_of, read_text

Instruction = tuple[Identity, KeptTransform | None, str | None]
"""What a person asked for a picture: how it is to be changed, and the concept that it is to go to."""

_INSTRUCTIONS = "instructions.json"


@dataclass
class Journal:
    """What an in-place command replaced, so that it can be undone (`folder/.curate/undo/N/`).

    `journal.json` holds the command and the ledger's rows before; `steps.jsonl` grows by a line before each change,
    so that a killed command can be undone too. `instructions.json` holds what a person had asked for pictures.
    """

    place: Path
    folder: Path
    command: str
    touched: set[str] = field(default_factory=set[str])
    rewritten: dict[str, str] = field(default_factory=dict[str, str])
    instructed: int = 0

    @classmethod
    def begin(cls, folder: Path, store: Store, command: str, *, moves_pictures: bool = True) -> Journal:
        """A new journal, numbered after the last.

        A command that writes, moves and removes no picture says so: what the ledger knows of pictures then stays as it
        is when the command is undone, also where a run worked on the folder in between.
        """
        root = store.root / "undo"
        number = 1 + max((int(p.name) for p in root.glob("*") if p.name.isdigit()), default=0)
        place = root / f"{number:04d}"
        with disk_errors(str(place)):
            place.mkdir(parents=True)
        facts: dict[str, Any] = {"command": command, "when": time.strftime("%Y-%m-%d %H:%M:%S")}
        if moves_pictures:
            facts |= {"rows": [dataclasses.asdict(w) for w in store.written().values()]}
        write_text(place / "journal.json", json.dumps(facts), sync=False)
        return cls(place, folder.absolute(), command)

    def replacing(self, path: Path) -> None:
        """Keeps the file that is about to be replaced or removed; notes a new one as created."""
        relative = path.relative_to(self.folder).as_posix()
        if relative in self.touched:
            return
        if path.exists():
            copy_file(path, self.place / "files" / relative)
            self._note("replaced", relative)
        else:
            self._note("created", relative)
        self.touched.add(relative)

    def rewriting(self, path: Path, before: bytes | None, after: bytes) -> None:
        """Notes what a small file holds and is about to hold, without a copy of the file; None where there is none.

        A file is rewritten once by a command. Bulk edits touch many thousands.
        """
        relative = path.relative_to(self.folder).as_posix()
        digest = digest_bytes(after)
        text = None if before is None else before.decode("utf-8", "surrogateescape")
        self._note("rewritten", relative, text, digest)
        self.touched.add(relative)
        self.rewritten[relative] = digest

    def moving(self, old: Path, new: Path) -> None:
        """Notes a rename."""
        names = [p.relative_to(self.folder).as_posix() for p in (old, new)]
        self._note("moved", *names)
        self.touched.update(names)

    def instructing(self, before: Sequence[Instruction]) -> None:
        """Keeps what a person asked for pictures until now; call it once, before the ledger takes the new words."""
        rows = [
            [*identity, kept and [kept.transform.to_plain(), kept.width, kept.height, kept.phash], concept]
            for identity, kept, concept in before
        ]
        self.instructed = len(rows)
        write_text(self.place / _INSTRUCTIONS, json.dumps(rows), sync=False)

    def finish(self) -> None:
        """Notes how the command left what it touched, so that undoing takes nothing away that a person did since."""
        after = dict(self.rewritten)
        for relative in sorted(self.touched - after.keys()):
            with contextlib.suppress(OSError):
                after[relative] = digest_file(self.folder / relative)
        write_text(self.place / "after.json", json.dumps(after), sync=False)

    def _note(self, what: str, *names: str | None) -> None:
        line = (json.dumps([what, *names]) + "\n").encode()
        with disk_errors(str(self.place)):
            # many thousands of lines, each of which must be there before its change: without the cost of a file object
            steps = os.open(self.place / "steps.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                if os.write(steps, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(steps)

    def drop(self) -> None:
        """Forgets a journal of nothing."""
        shutil.rmtree(self.place, ignore_errors=True)

    @property
    def empty(self) -> bool:
        """Whether nothing was changed."""
        return not self.touched and not self.instructed


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
        store.forget_written(list(store.written()))
        rows = [Written(**row) for row in facts["rows"]]
        store.wrote(_timed(folder, row) for row in rows)
        store.settle()
    store.forget_unplaced([path for path in store.unplaced() if not (folder / path).exists()])
    instructions = _take_back_instructions(place, store)
    shutil.rmtree(place)
    return facts["command"], len(steps) + instructions


def _take_back_instructions(place: Path, store: Store) -> int:
    """Puts back what a person asked for pictures before; returns their number.

    A picture whose source was saved again since is known by its key.
    """
    try:
        rows = json.loads((place / _INSTRUCTIONS).read_text(encoding="utf-8"))
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
        lines = (place / "steps.jsonl").read_text(encoding="utf-8").splitlines()
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
        after = json.loads((place / "after.json").read_text(encoding="utf-8"))
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
    return bool(places) and not (places[-1] / "after.json").exists()


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
