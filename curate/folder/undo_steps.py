"""Undo steps: the changes that a journal announces one by one, and how each is taken back."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from curate.core.disk_errors import disk_errors
from curate.core.files import copy_file, digest_bytes, prune_empty, write_bytes
from curate.core.old_files import OldFiles
from curate.folder.journal import STEPS


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a command, as it was announced.

    names   the file, or two where it was moved
    before  what a rewritten file held, None where there was none
    after   the digest of what it was to hold, "" for other changes
    announced  the names in the journal, where a run has given the file another place since
    """

    what: str
    names: tuple[str, ...]
    before: bytes | None = None
    after: str = ""
    announced: tuple[str, ...] = ()

    def on(self, name: str) -> Step:
        """The same change of a file that is somewhere else now."""
        return dataclasses.replace(self, names=(name,), announced=self.names)

    @property
    def digests(self) -> Iterator[str]:
        """What a rewritten file held, and was to hold."""
        if self.after:
            yield self.after
        if self.before is not None:
            yield digest_bytes(self.before)

    @classmethod
    def read(cls, line: str) -> Step:
        """A line of steps.jsonl. Raises ValueError where a kill cut it short."""
        what, *names = json.loads(line)
        if what != "rewritten":
            return cls(what, tuple(names))
        name, text, digest = names
        return cls(what, (name,), None if text is None else text.encode("utf-8", "surrogateescape"), digest)


def read_steps(place: Path) -> list[Step]:
    """The changes of a journal's entry, in order."""
    try:
        lines = (place / STEPS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    steps: list[Step] = []
    for line in lines:
        # a kill may have cut the last line short: the change it announces was not made
        with contextlib.suppress(ValueError):
            steps.append(Step.read(line))
    return steps


def take_back(folder: Path, place: Path, step: Step, old_files: OldFiles | None = None) -> None:
    """Takes a change back; `place` is the journal's entry. Raises a CurateError where the disk refuses.

    `old_files` keeps the small files that are replaced, for the caller to free.
    """
    paths = [folder / name for name in step.names]
    with disk_errors(str(paths[0])):
        if step.what == "created" or (step.what == "rewritten" and step.before is None):
            paths[0].unlink(missing_ok=True)
            prune_empty(paths[0].parent, folder)
        elif step.before is not None:
            if old_files is not None:
                old_files.keep(str(paths[0]))
            write_bytes(paths[0], step.before, sync=False)
        elif step.what == "moved":
            old, new = paths
            if new.exists():
                old.parent.mkdir(parents=True, exist_ok=True)
                new.replace(old)
                prune_empty(new.parent, folder)
        else:
            copy_file(place / "files" / paths[0].relative_to(folder), paths[0])
