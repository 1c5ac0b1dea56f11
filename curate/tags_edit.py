"""Bulk edits of the captions in a folder: found, changed, written with a journal, and kept as the person's edits."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate import captions, folder
from curate.core.files import write_text
from curate.core.lock import run_lock
from curate.core.record import CaptionStyle, Image, Record, from_plain
from curate.core.store import LEDGER, Store, Written
from curate.errors import InputError, PictureError
from curate.scan import list_pictures

Rule = Callable[[tuple[str, ...], frozenset[str]], Sequence[str]]
"""New tags of old tags and the trigger words among them."""

_BULK = "bulk.json"


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture and its caption file as it is now. `hand` says that a person edited it one by one."""

    path: Path
    concept: str
    file: Path
    text: str
    record: Record
    hand: bool

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags in caption order."""
        return self.record.tags


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


def read(target: Path, concepts: Sequence[str] = ()) -> list[Captioned]:
    """The captions of a folder, pictures without one included with an empty text. Raises InputError."""
    rows, edits, bulk = _ledger(target)
    found: list[Captioned] = []
    for one in list_pictures([target], _silent):
        if concepts and one.concept not in concepts:
            continue
        row = rows.get(one.path.relative_to(target).as_posix())
        known = folder.caption_path(target, row) if row is not None else ""
        beside = one.caption or one.path.with_suffix(_extension(row))
        file = target / known if known else beside
        text = captions.read_caption(file) if file.is_file() else ""
        found.append(
            Captioned(
                one.path,
                one.concept,
                file,
                text,
                _record(row, one.key, one.concept, text),
                _by_hand(row, edits, bulk, text),
            )
        )
    missing = set(concepts) - {c.concept for c in found}
    if missing:
        names = sorted({c.concept for c in list_pictures([target], _silent)})
        raise InputError(f"no concept {', '.join(sorted(missing))} in {target}", f"there are: {', '.join(names)}")
    return found


def edit(
    target: Path,
    rule: Rule,
    command: str,
    *,
    concepts: Sequence[str] = (),
    edited_too: bool = False,
    in_place: bool = False,
    dry_run: bool = False,
) -> Edited:
    """Applies a rule to every caption and writes what changed, unless it is a dry run; `curate undo` takes it back.

    Raises InputError for a folder that curate did not prepare where `in_place` does not allow it.
    """
    if not (in_place or dry_run or (target / LEDGER / "ledger.sqlite").is_file()):
        raise InputError(
            f"{target} was not prepared by curate, so its captions are not changed",
            "give --in-place, which keeps what it replaces",
        )
    changes: list[Change] = []
    skipped: list[Captioned] = []
    for one in read(target, concepts):
        words = frozenset(one.record.trigger)
        tags = tuple(dict.fromkeys(rule(one.tags, words)))
        if tags == one.tags:
            continue
        if one.hand and not edited_too:
            skipped.append(one)
            continue
        changes.append(Change(one, captions.render(dataclasses.replace(one.record, tags=tags))))
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


def _ledger(target: Path) -> tuple[dict[str, Written], Mapping[tuple[str, str], str], Mapping[str, str]]:
    if not (target / LEDGER / "ledger.sqlite").is_file():
        return {}, {}, {}
    with Store(target) as store:
        edits = folder.read_changes(target, store, _silent).edits
        return store.written(), edits, _bulk(store)


def _bulk(store: Store) -> dict[str, str]:
    try:
        return json.loads((store.root / _BULK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _by_hand(row: Written | None, edits: Mapping[tuple[str, str], str], bulk: Mapping[str, str], text: str) -> bool:
    """A caption that a bulk edit left as it is now was not edited one by one."""
    if row is None or (row.origin, row.key) not in edits:
        return False
    return not folder.same_text(bulk.get(row.path, row.caption), text)


def _record(row: Written | None, key: str, concept: str, text: str) -> Record:
    known = from_plain(row.record) if row is not None else Record(key, concept, "", Image(""), style=_style(text))
    tags, sentence = captions.parse(text, known.trigger, known.style)
    return dataclasses.replace(known, tags=tags, sentence=sentence, edited=None)


def _style(text: str) -> CaptionStyle:
    """The style in which a caption that is not ours is written."""
    spaced = " " in text.replace(", ", ",")
    return CaptionStyle(
        ", " if ", " in text or "," not in text else ",", "spaces" if spaced else "keep", escape="\\(" in text
    )


def _extension(row: Written | None) -> str:
    style: Any = row.record.get("style") if row is not None else None
    return style["extension"] if style else ".txt"


def _write(target: Path, changes: Sequence[Change], command: str) -> None:
    with run_lock(target), Store(target) as store:
        journal = folder.Journal.begin(target, store, command)
        bulk = _bulk(store)
        for change in changes:
            file = target.absolute() / change.caption.file.relative_to(target)
            try:
                now = captions.read_caption(file) if file.is_file() else ""
            except InputError as error:
                raise PictureError(str(error)) from error
            if not folder.same_text(now, change.caption.text):
                continue  # edited in the meantime: the person's word is newer
            journal.replacing(file)
            write_text(file, change.after, sync=False)
            if not change.caption.hand:
                bulk[change.caption.path.relative_to(target).as_posix()] = change.after
        journal.finish()
        write_text(store.root / _BULK, json.dumps(bulk, ensure_ascii=False), sync=False)
        folder.read_changes(target, store, _silent)


def _plain(tag: str) -> str:
    """A tag as it is kept; nothing that would tear the caption apart."""
    plain = captions.canonical(tag)
    if not plain or "," in plain:
        raise InputError(f"{tag!r} is not a tag", "give each tag on its own, without commas")
    return plain


def _silent(_: object) -> None:
    """A listener that hears nothing."""
