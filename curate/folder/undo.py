"""Undo: takes back what the last in-place command did, by its journal."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from curate.core.files import (
    digest_file,
    prune_empty,
    remove_leftovers,
)
from curate.core.old_files import OldFiles
from curate.core.store import Store
from curate.core.transform import Transform
from curate.core.user_changes import KeptTransform, Removal
from curate.core.written import Written
from curate.errors import InputError
from curate.folder.compare import caption_path, is_any_of, read_text, same_text
from curate.folder.journal import AFTER, INSTRUCTIONS, OWNERS, RESTORED
from curate.folder.mask_file import digest_as_painted
from curate.folder.painted_masks import mask_path
from curate.folder.undo_steps import Step, read_steps, take_back
from curate.images.masks import FOLDER


def undo(folder: Path, store: Store, old: OldFiles | None = None) -> tuple[str, int]:
    """Takes back the last in-place command; returns its command line and the number of changes taken back.

    `old` keeps the files that are replaced, for the caller to free.

    Raises InputError where there is nothing to undo, or where a file was changed since.
    """
    places = _places(store.root)
    if not places:
        raise InputError(f"nothing to undo in {folder}")
    place = places[-1]
    facts = json.loads((place / "journal.json").read_text(encoding="utf-8"))
    steps = _followed(folder, place, store, read_steps(place))
    since = _changed_since(folder, place, steps, store)
    if since:
        shown = ", ".join(since[:5]) + (f" and {len(since) - 5} more" if len(since) > 5 else "")
        raise InputError(
            f"changed since `curate {facts['command']}`: {shown}", "move these files out of the folder, then undo again"
        )
    # should this be killed, the command counts as killed in the middle, and is undone again
    (place / AFTER).unlink(missing_ok=True)
    for parent in _parents(folder, steps):
        remove_leftovers(parent)
    for step in reversed(steps):
        take_back(folder, place, step, old)
    if "rows" in facts:
        _take_back_rows(folder, store, [Written(**row) for row in facts["rows"]], steps)
    store.forget_unplaced([path for path in store.unplaced() if not (folder / path).exists()])
    others = _take_back_instructions(place, store) + _remove_again(folder, place, store)
    shutil.rmtree(place)
    return facts["command"], len(steps) + others


def _followed(folder: Path, place: Path, store: Store, steps: Sequence[Step]) -> list[Step]:
    """The steps, each on the file where a run has put since what the command wrote beside a picture.

    A caption that was as it had been generated is so again, also where it would be generated otherwise by now. A step
    whose picture is no longer there is left out, unless its file is.
    """
    try:
        owners: dict[str, Any] = json.loads((place / OWNERS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return list(steps)
    rows = {(row.origin, row.key): row for row in store.written().values()}
    by_key = {row.key: row for row in rows.values()}
    found: list[Step] = []
    for step in steps:
        origin, key, kind = owners.get(step.names[0], ("", "", ""))
        row = rows.get((origin, key)) or by_key.get(key)
        if row is None:
            if not key or (folder / step.names[0]).exists():
                found.append(step)
            continue
        if kind == "mask":
            found.append(step.on(mask_path(row.path)))
            continue
        before = step.before
        if kind == "generated" and not (before is not None and same_text(_text(before), row.caption)):
            before = row.caption.encode("utf-8", "surrogatepass") if row.caption_path else None
        found.append(dataclasses.replace(step, before=before).on(caption_path(folder, row) or step.names[0]))
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _take_back_rows(folder: Path, store: Store, before: Sequence[Written], steps: Sequence[Step]) -> None:
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


def _remove_again(folder: Path, place: Path, store: Store) -> int:
    """Removes the pictures that a person wanted again, where a run wrote them since; returns their number.

    What the person changed in such a picture or its caption stays.
    """
    try:
        rows = json.loads((place / RESTORED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0
    written = {(row.origin, row.key): row for row in store.written().values()}
    edits = store.edits()
    for origin, key, path, captioned in rows:
        row = written.get((origin, key))
        removal: Removal | None = Removal(path, captioned)
        if row is not None and (folder / row.path).is_file():
            removal = _removed_again(folder, row, edits.get((origin, key)))
        if removal is not None:
            store.keep_removed((origin, key), removal)
    store.commit()
    return len(rows)


def _removed_again(folder: Path, row: Written, edit: str | None) -> Removal | None:
    """Removes a picture and its caption as curate wrote them; None where the person changed the picture since."""
    picture = folder / row.path
    if digest_file(picture) != row.digest:
        return None
    caption = folder / row.caption_path if row.caption_path else None
    captioned = caption is not None and caption.exists()
    if caption is not None and captioned and is_any_of(read_text(caption), row.caption, edit):
        caption.unlink()
        captioned = False
    picture.unlink()
    prune_empty(picture.parent, folder)
    return Removal(row.path, captioned)


def _changed_since(folder: Path, place: Path, steps: Sequence[Step], store: Store) -> list[str]:
    """What a person changed, made or took away among the files that the command touched."""
    touched = dict(
        sorted(pair for step in steps for pair in zip(step.names, step.announced or step.names, strict=True))
    )
    try:
        after = json.loads((place / AFTER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {digest for step in steps for digest in step.digests}
        return [relative for relative in touched if not _known(folder, place, relative, store, known)]
    changed: list[str] = []
    for relative, announced in touched.items():
        with contextlib.suppress(OSError):
            painted = relative.startswith(f"{FOLDER}/")  # a run may have turned it with its picture
            digest = digest_as_painted(folder / relative) if painted else digest_file(folder / relative)
            if after.get(announced) != digest:
                changed.append(relative)
    return changed


def _known(folder: Path, place: Path, relative: str, store: Store, digests: Collection[str]) -> bool:
    """Whether a file that a killed command touched is gone, as it was before, or as the command was to leave it."""
    path = folder / relative
    try:
        digest = digest_file(path)
    except OSError:
        return True
    if digest in digests:
        return True
    rows = [*store.intended(records=False), *store.each_written(records=False)]
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


def remove_leftovers_of_killed(folder: Path, root: Path) -> None:
    """Deletes the files that the last in-place command had begun when it was killed; `root` is the ledger folder."""
    if unfinished(root):
        for parent in _parents(folder, read_steps(_places(root)[-1])):
            remove_leftovers(parent)


def _parents(folder: Path, steps: Sequence[Step]) -> set[Path]:
    return {(folder / name).parent for step in steps for name in step.names}


def _places(root: Path) -> list[Path]:
    places = sorted((p for p in (root / "undo").glob("*") if p.name.isdigit()), key=lambda p: int(p.name))
    return [p for p in places if (p / "journal.json").is_file()]


def _timed(folder: Path, row: Written) -> Written:
    if not row.mtime:
        return row
    try:
        return dataclasses.replace(row, mtime=(folder / row.path).stat().st_mtime_ns)
    except OSError:
        return row
