"""Journal: what an in-place command replaced, and how it is taken back."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.core.files import copy_file, digest_file, disk_errors, prune_empty, remove_leftovers, write_text
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
        after: dict[str, str] = {}
        for relative in sorted(self.touched):
            with contextlib.suppress(OSError):
                after[relative] = digest_file(self.folder / relative)
        with disk_errors(str(self.place)):
            (self.place / "after.json").write_text(json.dumps(after), encoding="utf-8")

    def _note(self, what: str, *names: str) -> None:
        with disk_errors(str(self.place)), (self.place / "steps.jsonl").open("a", encoding="utf-8") as f:
            f.write(json.dumps([what, *names]) + "\n")

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
    for parent in {(folder / n).parent for _, *names in steps for n in names}:
        remove_leftovers(parent)
    for what, *names in reversed(steps):
        _take_back(folder, place, what, [folder / n for n in names])
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


def _steps(place: Path) -> list[list[str]]:
    try:
        lines = (place / "steps.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    steps: list[list[str]] = []
    for line in lines:
        # a kill may have cut the last line short: the change it announces was not made
        with contextlib.suppress(ValueError):
            steps.append(json.loads(line))
    return steps


def _changed_since(folder: Path, place: Path, steps: Sequence[Sequence[str]], store: Store) -> list[str]:
    """What a person changed, made or took away among the files that the command touched."""
    touched = sorted({n for _, *names in steps for n in names})
    try:
        after = json.loads((place / "after.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [relative for relative in touched if not _known(folder, place, relative, store)]
    changed: list[str] = []
    for relative in touched:
        with contextlib.suppress(OSError):
            if after.get(relative) != digest_file(folder / relative):
                changed.append(relative)
    return changed


def _known(folder: Path, place: Path, relative: str, store: Store) -> bool:
    """Whether a file that a killed command touched is gone, as it was before, or as the command was to leave it."""
    path = folder / relative
    try:
        digest = digest_file(path)
    except OSError:
        return True
    rows = [*store.intended(), *store.written().values()]
    if any(digest == row.digest for row in rows):
        return True
    with contextlib.suppress(OSError):
        if digest == digest_file(place / "files" / relative):
            return True
    text = read_text(path)
    return is_any_of(text, *(row.caption for row in rows), *store.edits().values())


def unfinished(root: Path) -> bool:
    """Whether the last in-place command was killed before it was done; `root` is the ledger folder."""
    places = _places(root)
    return bool(places) and not (places[-1] / "after.json").exists()


def _places(root: Path) -> list[Path]:
    return sorted(p for p in (root / "undo").glob("*") if p.name.isdigit() and (p / "journal.json").is_file())


def _take_back(folder: Path, place: Path, what: str, paths: Sequence[Path]) -> None:
    with disk_errors(str(paths[0])):
        if what == "created":
            paths[0].unlink(missing_ok=True)
            prune_empty(paths[0].parent, folder)
        elif what == "moved":
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
