"""Stage captions: rules over tags, and how captions are written."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator

import taggers
from curate import captions
from curate.core import registry
from curate.core.events import Listener, Note
from curate.core.path_options import TagTable
from curate.core.record import CaptionStyle, Manifest, Record
from curate.core.stage import Env, RecordStage, Resources, Worker
from curate.errors import InputError
from taggers import exports, translation, underage_screening
from taggers.errors import BadTableError


class Captions(RecordStage):
    """Edit captions by rules: replace tags, add tags conditionally, blacklist, whitelist, sort, format."""

    vocabulary: TagTable = Field(
        "danbooru",
        description=(
            "Replace outdated tag names (aliases) using this table: danbooru, e621, none, or a file "
            "or folder of exports."
        ),
    )
    translate: Literal["none", "danbooru-to-e621", "e621-to-danbooru"] = Field(
        "none",
        description=("Translate common tags between Danbooru and e621 names, for a base model that knows those."),
    )
    replace: dict[str, tuple[str, ...]] = Field(
        {}, description="Replace a tag by one or more others: grey_dog=dog,grey_fur."
    )
    add_if: dict[str, tuple[str, ...]] = Field(
        {}, description="Add tags to captions that have a certain tag: sketch=monochrome,greyscale."
    )
    blacklist: tuple[str, ...] = Field((), description="Remove these tags; * matches anything (*_background).")
    whitelist: tuple[str, ...] = Field((), description="Keep only these tags; * matches anything. Default: keep all.")
    absorb: tuple[str, ...] = Field(
        (), description="Remove these tags in every concept, so that the trigger words learn what they describe."
    )
    keep: tuple[str, ...] = Field((), description="Tags that no rule removes.")
    order: Literal["kept", "score", "name"] = Field(
        "kept", description="Order of the tags: kept (unchanged), score (highest first) or name (alphabetical)."
    )
    cap: int = Field(0, ge=0, description="Keep at most this many tags, not counting trigger words; 0 sets no limit.")
    split_sentences: bool = Field(
        False, description="Split sentences at commas into tags. Training can then shuffle them with the tags."
    )
    separator: str = Field(", ", min_length=1, description="Text between two tags. Default: a comma and a space.")
    underscores: Literal["spaces", "keep"] = Field(
        "spaces",
        description="spaces turns underscores into spaces, except where they belong to the tag (score_9, ^_^).",
    )
    escape: bool = Field(False, description="Put a backslash before parentheses.")
    extension: str = Field(".txt", pattern=r"^\.\w+$", description="Extension of the caption files.")
    sentence: Literal["after", "before", "only", "none"] = Field(
        "after",
        description="Where to put a sentence: after or before the tags, only (trigger words and sentence, "
        "no tags), or none.",
    )
    per_concept: dict[str, dict[str, Any]] = Field(
        {}, description="Different values of these options for one concept: robe={blacklist: [blurry], cap: 10}."
    )

    version: ClassVar[int] = 2
    reads: ClassVar[frozenset[str]] = frozenset({"tags", "sentence", "scores", "trigger", "imported", "facts"})
    writes: ClassVar[frozenset[str]] = frozenset({"tags", "sentence", "style", "notes", "aside"})
    concept_reads: ClassVar[frozenset[str]] = frozenset({"absorb"})
    resources: ClassVar[Resources] = Resources(cpus=0)

    @field_validator("replace", "add_if", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        """`a=b,c` of the command line and `a: b` of YAML mean lists as well."""
        if not isinstance(value, dict):
            return value
        return {k: tuple(p.strip() for p in v.split(",")) if isinstance(v, str) else v for k, v in value.items()}

    @field_validator("separator")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if any(c in value for c in "\r\n"):
            raise ValueError("a caption is one line: the separator must not hold a line end")
        return value

    @field_validator("per_concept")
    @classmethod
    def _options_of_ours(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for concept, options in value.items():
            try:
                cls(**options)
            except ValidationError as error:
                first = error.errors()[0]
                wrong = "there is no such option" if first["type"] == "extra_forbidden" else first["msg"]
                raise ValueError(f"{concept}: {'.'.join(map(str, first['loc']))}: {wrong}") from error
            if "per_concept" in options:
                raise ValueError(f"{concept}: per_concept cannot be used inside per_concept")
        return value

    def of(self, concept: str) -> Captions:
        """The options as they are for a concept."""
        plain = {name: getattr(self, name) for name in self.model_fields_set - {"per_concept"}}
        return Captions(**{**plain, **self.per_concept.get(concept, {})})

    def problems(self) -> Mapping[str, str]:
        """A table that nobody knows."""
        wrong = registry.misnamed(self.vocabulary, ("danbooru", "e621", "none"), "table")
        inner = {c: w for c in self.per_concept for w in self.of(c).problems().values()} if not wrong else {}
        said = "; ".join(f"{c}: {w}" for c, w in inner.items())
        return {**({"vocabulary": wrong} if wrong else {}), **({"per_concept": said} if said else {})}

    def check_records(self, manifest: Manifest, env: Env, tell: Listener) -> None:
        """Warns of concepts that are not there."""
        there = {r.concept for r in manifest}
        for name in sorted(self.per_concept.keys() - there):
            tell(
                Note(
                    "warning",
                    f"per_concept: there is no concept {name}; the concepts are {', '.join(sorted(there))}",
                    self.name,
                )
            )

    def files(self, env: Env) -> Sequence[Path]:
        """The tables of aliases, where they are files."""
        names = dict.fromkeys((self.vocabulary, *(self.of(c).vocabulary for c in self.per_concept)))
        return [f for name in names for f in exports.files(name)]

    def key_fields(self, record: Record) -> Mapping[str, Any]:
        """Of the trigger words those that occur; scores where the order, the cap or the screening asks for them."""
        came, its = record.imported is not None, self.of(record.concept) if self.per_concept else self
        return {
            "tags": record.tags,
            "sentence": record.sentence,
            "imported": record.imported,
            **({"caption_form": form} if (form := record.facts.get("caption_form")) else {}),
            "trigger": _occurring(record),
            "scores": record.scores.packed.hex() if its.order == "score" or its.cap or came else "",
            **({"concept": record.concept} if record.concept in self.per_concept else {}),
        }

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Reads the tables of aliases and prepares the lists."""
        general = _Rules(self)
        single = {name: _Rules(self.of(name)) for name in self.per_concept}

        def one(record: Record) -> Record:
            rules, concept = single.get(record.concept, general), env.concepts.get(record.concept)
            return dataclasses.replace(rules.apply(record, concept.absorb if concept else ()), style=rules.style)

        yield lambda records: [one(r) for r in records]


class _Rules:
    """The options, made ready for many captions. Raises InputError for a table that cannot be read."""

    def __init__(self, options: Captions) -> None:
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
        protected = _Protected(_occurring(record), self._keep)
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
        best = _best(record) if self._options.order == "score" else {}
        return first + (sorted(rest, key=lambda t: -best.get(t, 1.0)) if best else sorted(rest))

    def _capped(self, tags: list[str], record: Record, protected: _Protected) -> list[str]:
        over = sum(not protected.trigger(t) for t in tags) - self._options.cap
        if not self._options.cap or over <= 0:
            return tags
        best = _best(record)
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
    own, sentence = captions.parse_imported(record, _occurring(record))
    said, scores = f"{sentence} {record.sentence}", record.scores.unpack()
    return underage_screening.screen(
        scores, {*own, *record.tags}, said, {model: taggers.vocabulary(model) for model in scores}
    )


def _occurring(record: Record) -> list[str]:
    present = set(record.tags)
    return [t for t in record.trigger if t in present or captions.canonical(t) in present]


def _best(record: Record) -> dict[str, float]:
    best: dict[str, float] = {}
    for found in record.scores.unpack().values():
        for tag, (score, _) in found.items():
            best[tag] = max(score, best.get(tag, 0.0))
    return best
