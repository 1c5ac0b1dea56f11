"""Journal: what an in-place command replaced, and how it is taken back."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from curate.core.disk_errors import disk_errors
from curate.core.files import copy_file, digest_bytes, digest_file, write_text
from curate.core.store import Store
from curate.core.user_changes import Identity, KeptTransform, Removal
from curate.core.written import Written

Instruction = tuple[Identity, KeptTransform | None, str | None]
"""What a person asked for a picture: how it is to be changed, and the concept that it is to go to."""

STEPS, AFTER, INSTRUCTIONS, RESTORED = "steps.jsonl", "after.json", "instructions.json", "restored.json"
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
OWNERS = "owners.json"
"""The files of an entry besides `journal.json`."""


Owned = Literal["generated", "edited", "mask"]
"""What a file beside a picture was before: a caption as it had been generated, another caption, or a mask."""


@dataclass
class Journal:
    """What an in-place command replaced, so that it can be undone (`folder/.curate/undo/N/`).

    `journal.json` holds the command and the ledger's rows before; `steps.jsonl` grows by a line before each change,
    so that a killed command can be undone too. `instructions.json` holds what a person had asked for pictures,
    `restored.json` the pictures that a person wants again, `owners.json` whose the captions and masks are.
    """

    place: Path
    folder: Path
    command: str
    touched: set[str] = field(default_factory=set[str])
    rewritten: dict[str, str] = field(default_factory=dict[str, str])
    instructed: int = 0
    owners: dict[str, tuple[str, str, Owned]] = field(default_factory=dict[str, tuple[str, str, Owned]])
    _steps: int | None = None

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

    def rewriting(self, relative: str, before: bytes | None, after: bytes) -> None:
        """Notes what a small file holds and is about to hold, without a copy of the file; None where there is none.

        `relative` is its path in the folder, in POSIX form. A file is rewritten once by a command. Bulk edits touch
        many thousands.
        """
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
        write_text(self.place / INSTRUCTIONS, json.dumps(rows), sync=False)

    def restoring(self, removals: Mapping[Identity, Removal]) -> None:
        """Keeps that pictures were removed; call it once, before the ledger forgets that."""
        rows = [[*identity, one.path, one.captioned] for identity, one in removals.items()]
        self.instructed = len(rows)
        write_text(self.place / RESTORED, json.dumps(rows), sync=False)

    def owning(self, relative: str, row: Written, what: Owned) -> None:
        """Notes whose a file is: should a run give its picture another place, what was done to it is undone there."""
        self.owners[relative] = (row.origin, row.key, what)

    def finish(self) -> None:
        """Notes how the command left what it touched, so that undoing takes nothing away that a person did since."""
        after = dict(self.rewritten)
        for relative in sorted(self.touched - after.keys()):
            with contextlib.suppress(OSError):
                after[relative] = digest_file(self.folder / relative)
        if self.owners:
            write_text(self.place / OWNERS, json.dumps(self.owners), sync=False)
        write_text(self.place / AFTER, json.dumps(after), sync=False)

    def _note(self, what: str, *names: str | None) -> None:
        line = f"[{', '.join(map(json.dumps, (what, *names)))}]\n".encode()
        if self._steps is None:
            with disk_errors(str(self.place)), self.open_steps():
                self._note(what, *names)
            return
        with disk_errors(str(self.place)):
            if os.write(self._steps, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextlib.contextmanager
    def open_steps(self) -> Generator[int]:
        """Holds the file of steps open: for many thousands of lines, each of which must be there before its change."""
        if self._steps is not None:
            yield self._steps
            return
        self._steps = os.open(self.place / STEPS, _APPEND, 0o666)
        try:
            yield self._steps
        finally:
            os.close(self._steps)
            self._steps = None

    def drop(self) -> None:
        """Forgets a journal of nothing."""
        shutil.rmtree(self.place, ignore_errors=True)

    @property
    def empty(self) -> bool:
        """Whether nothing was changed."""
        return not self.touched and not self.instructed
