"""Bulk edits of the captions in a folder: found, changed, written with a journal, and kept as the person's edits."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate import captions, folder
from curate.core.caption_options import CaptionReading
from curate.core.events import Listener
from curate.core.files import write_text
from curate.core.lock import run_lock
from curate.core.store import LEDGER, Store
from curate.errors import InputError, PictureError
from curate.tags_folder import Captioned, read, silent

_READING = CaptionReading()

Rule = Callable[[tuple[str, ...], frozenset[str]], Sequence[str]]
"""New tags of old tags and the trigger words among them."""


@dataclass(frozen=True, slots=True)
class Change:
    """A caption before and after."""

    caption: Captioned
    after: str


@dataclass(frozen=True, slots=True)
class Edited:
    """What a bulk edit did, or would do: changes, and captions left alone since a person edited them."""

    changes: tuple[Change, ...]
    skipped: tuple[Captioned, ...]


def edit(
    target: Path,
    rule: Rule,
    command: str,
    *,
    concepts: Sequence[str] = (),
    edited_too: bool = False,
    in_place: bool = False,
    dry_run: bool = False,
    reading: CaptionReading = _READING,
    tell: Listener = silent,
) -> Edited:
    """Applies a rule to every caption and writes what changed, unless it is a dry run; `curate undo` takes it back.

    Raises InputError for a folder that curate did not prepare where `in_place` does not allow it.
    """
    if not (in_place or dry_run or (target / LEDGER / "ledger.sqlite").is_file()):
        raise InputError(
            f"{target} was not created by curate, so its captions are not changed without --in-place",
            "give --in-place, which keeps the originals for `curate undo`",
        )
    changes: list[Change] = []
    skipped: list[Captioned] = []
    for one in read(target, concepts, reading, tell):
        tags = tuple(dict.fromkeys(rule(one.record.tags, one.fixed)))
        if tags == one.record.tags:
            continue
        if one.hand and not edited_too:
            skipped.append(one)
            continue
        changes.append(Change(one, one.rendered(tags)))
    if changes and not dry_run:
        _write(target, changes, command)
    return Edited(tuple(changes), tuple(skipped))


def count(rows: Sequence[Captioned]) -> dict[str, Counter[str]]:
    """How many captions of each concept hold each tag."""
    counts: dict[str, Counter[str]] = {}
    for one in rows:
        counts.setdefault(one.concept, Counter()).update(dict.fromkeys(one.tags, 1))
    return counts


def matching(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a tag is one of these; `*` stands for anything, underscores and spaces are the same, and so are cases."""
    globs = [re.escape(captions.canonical(p)).replace(r"\*", ".*") for p in patterns if p.strip()]
    pattern = re.compile("|".join(f"(?:{g})" for g in globs) or r"(?!)", re.IGNORECASE)
    return lambda tag: pattern.fullmatch(captions.canonical(tag)) is not None


def adding(tags: Sequence[str], where: Sequence[str] = (), *, first: bool = False) -> Rule:
    """Adds tags, to all captions or to those that hold all of `where`; behind the trigger words where `first`."""
    new, wanted = [_plain(t) for t in tags], [matching([w]) for w in where]

    def rule(old: tuple[str, ...], trigger: frozenset[str]) -> Sequence[str]:
        if not all(any(w(t) for t in old) for w in wanted):
            return old
        added = [t for t in new if t not in old]
        lead = next((i for i, t in enumerate(old) if t not in trigger), len(old)) if first else len(old)
        return [*old[:lead], *added, *old[lead:]]

    return rule


def removing(patterns: Sequence[str]) -> Rule:
    """Removes tags; trigger words stay."""
    unwanted = matching(patterns)
    return lambda old, trigger: [t for t in old if t in trigger or not unwanted(t)]


def replacing(pairs: Mapping[str, Sequence[str]]) -> Rule:
    """Puts other tags in the place of tags; trigger words stay."""
    table = {captions.canonical(old): [_plain(n) for n in new] for old, new in pairs.items()}

    def rule(old: tuple[str, ...], trigger: frozenset[str]) -> Sequence[str]:
        return [new for t in old for new in ([t] if t in trigger else table.get(captions.canonical(t), [t]))]

    return rule


def difference(change: Change, separator: str = ",") -> list[tuple[str, str]]:
    """The caption's pieces with " ", "-" or "+" before them, in reading order."""
    before, after = ([p.strip() for p in t.split(separator) if p.strip()] for t in (change.caption.text, change.after))
    pieces: list[tuple[str, str]] = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces += [(" ", p) for p in before[i:j]]
        else:
            pieces += [("-", p) for p in before[i:j]] + [("+", p) for p in after[k:m]]
    return pieces


# the folder
# ----------------------------------------------------------------------------------------------------------------


def _write(target: Path, changes: Sequence[Change], command: str) -> None:
    with run_lock(target), Store(target) as store:
        journal = folder.Journal.begin(target, store, command, moves_pictures=False)
        bulk = folder.bulk_edits(store)
        for change in changes:
            file = target.absolute() / change.caption.file.relative_to(target)
            try:
                now = captions.read_caption(file, change.caption.encoding) if file.is_file() else ""
            except InputError as error:
                raise PictureError(str(error)) from error
            if not folder.same_text(now, change.caption.raw):
                continue  # edited in the meantime: the person's word is newer
            journal.replacing(file)
            write_text(file, change.after, sync=False)
            if not change.caption.hand:
                bulk[change.caption.path.relative_to(target).as_posix()] = change.after
        journal.finish()
        folder.keep_bulk_edits(store, bulk)
        folder.read_changes(target, store, silent)


def _plain(tag: str) -> str:
    """A tag as it is kept; nothing that would tear the caption apart."""
    plain = captions.canonical(tag)
    if not plain or "," in plain:
        raise InputError(f"{tag!r} is not a tag", "give each tag on its own, without commas")
    return plain
