"""Caption rules: which tags of a caption are replaced, added, removed, sorted and capped."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Sequence
from typing import Literal, Protocol

import taggers
from curate import captions
from curate.core.record import CaptionStyle, Record
from curate.errors import InputError
from taggers import exports, translation, underage_screening
from taggers.errors import BadTableError


class RuleOptions(Protocol):
    """What the rules are, as the stage `captions` explains its options."""

    vocabulary: str
    translate: Literal["none", "danbooru-to-e621", "e621-to-danbooru"]
    replace: dict[str, tuple[str, ...]]
    add_if: dict[str, tuple[str, ...]]
    blacklist: tuple[str, ...]
    whitelist: tuple[str, ...]
    absorb: tuple[str, ...]
    keep: tuple[str, ...]
    order: Literal["kept", "score", "name"]
    cap: int
    split_sentences: bool
    separator: str
    underscores: Literal["spaces", "keep"]
    escape: bool
    extension: str
    sentence: Literal["after", "before", "only", "none"]


class CaptionRules:
    """The options, made ready for many captions. Raises InputError for a table that cannot be read."""

    def __init__(self, options: RuleOptions) -> None:
        try:
            self._table = exports.table(options.vocabulary)
        except BadTableError as error:
            raise InputError(error.message, error.remedy) from error
        self._options = options
        self.style = CaptionStyle(
            options.separator, options.underscores, options.escape, options.extension, options.sentence
        )
        self._words = translation.table(options.translate) if options.translate != "none" else {}
        self._replace = {captions.canonical(k): _list(v) for k, v in options.replace.items()}
        self._add_if = {captions.canonical(k): _list(v) for k, v in options.add_if.items()}
        self._black, self._white = _Patterns(options.blacklist), _Patterns(options.whitelist)
        self._absorb, self._keep = _list(options.absorb), frozenset(_list(options.keep))

    def apply(self, record: Record, absorb: Sequence[str]) -> Record:
        """The record after all rules; set aside where its caption, or that and its scores, say so."""
        reason = _screened(record)
        if reason:
            return dataclasses.replace(record, aside=reason)
        protected = _Protected(occurring(record), self._keep)
        tags, sentence = self._add(self._substitute(record.tags, protected)), record.sentence
        if self._options.split_sentences and sentence:
            pieces = (captions.canonical(p.strip().rstrip(".")) for p in sentence.split(","))
            tags, sentence = list(dict.fromkeys([*tags, *filter(None, pieces)])), ""
        tags = self._remove(tags, protected, {*self._absorb, *_list(absorb)})
        tags = self._capped(self._ordered(tags, record, protected), record, protected)
        gone = [t for t in record.tags if t not in tags]
        note = [f"captions: removed {', '.join(gone)}"] if gone else []
        return dataclasses.replace(record.noting(*note), tags=tuple(tags), sentence=sentence)

    def _substitute(self, tags: Sequence[str], protected: _Protected) -> list[str]:
        out: dict[str, None] = {}
        for tag in tags:
            if protected.trigger(tag):
                out.setdefault(tag)
                continue
            live = self._table.live(tag)
            live = self._words.get(live, live)
            for new in self._replace.get(tag) or self._replace.get(live) or (live,):
                out.setdefault(new)
        return list(out)

    def _add(self, tags: list[str]) -> list[str]:
        added = [new for tag in tags for new in self._add_if.get(tag, ())]
        return list(dict.fromkeys([*tags, *added]))

    def _remove(self, tags: list[str], protected: _Protected, absorbed: Collection[str]) -> list[str]:
        return [
            t
            for t in tags
            if t in protected
            or (t not in self._black and t not in absorbed and (not self._options.whitelist or t in self._white))
        ]

    def _ordered(self, tags: list[str], record: Record, protected: _Protected) -> list[str]:
        if self._options.order == "kept":
            return tags
        first = [t for t in tags if protected.trigger(t)]
        rest = [t for t in tags if not protected.trigger(t)]
        best = record.scores.best() if self._options.order == "score" else {}
        return first + (sorted(rest, key=lambda t: -best.get(t, 1.0)) if best else sorted(rest))

    def _capped(self, tags: list[str], record: Record, protected: _Protected) -> list[str]:
        over = sum(not protected.trigger(t) for t in tags) - self._options.cap
        if not self._options.cap or over <= 0:
            return tags
        best = record.scores.best()
        free = [(best.get(t, 1.0), -i, t) for i, t in enumerate(tags) if t not in protected]
        gone = {t for _, _, t in sorted(free)[:over]}
        return [t for t in tags if t not in gone]


class _Protected:
    """Trigger words, in their own spelling or as a tag, and kept tags."""

    def __init__(self, trigger: Sequence[str], keep: frozenset[str]) -> None:
        self._trigger = frozenset(trigger) | {captions.canonical(t) for t in trigger}
        self._words = self._trigger | keep

    def trigger(self, tag: str) -> bool:
        """Whether it is a trigger word."""
        return tag in self._trigger

    def __contains__(self, tag: object) -> bool:
        return tag in self._words


class _Patterns:
    """Tags and patterns with `*`."""

    def __init__(self, names: Sequence[str]) -> None:
        plain = _list(names)
        self._exact = {n for n in plain if "*" not in n}
        globs = [re.escape(n).replace(r"\*", ".*") for n in plain if "*" in n]
        self._glob = re.compile("|".join(f"(?:{g})" for g in globs)) if globs else None

    def __contains__(self, tag: object) -> bool:
        return tag in self._exact or (
            self._glob is not None and isinstance(tag, str) and bool(self._glob.fullmatch(tag))
        )


def _list(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(captions.canonical(n) for n in names if n.strip())


def _screened(record: Record) -> str:
    """Pictures without a caption of their own were screened where they were tagged."""
    if record.imported is None:
        return ""
    own, sentence = captions.parse_imported(record, occurring(record))
    said, scores = f"{sentence} {record.sentence}", record.scores.unpack()
    return underage_screening.screen(
        scores, {*own, *record.tags}, said, {model: taggers.vocabulary(model) for model in scores}
    )


def occurring(record: Record) -> list[str]:
    """The trigger words that are among the tags, in either spelling."""
    present = set(record.tags)
    return [t for t in record.trigger if t in present or captions.canonical(t) in present]
