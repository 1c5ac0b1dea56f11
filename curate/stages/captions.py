"""Stage captions: rules over tags, and how captions are written."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator

from curate.core import registry
from curate.core.events import Listener, Note
from curate.core.path_options import TagTable
from curate.core.record import Manifest, Record
from curate.core.stage import Env, RecordStage, Resources, Worker
from curate.tagging.caption_rules import CaptionRules, occurring
from taggers import exports


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

    @property
    def makes_captions(self) -> bool:
        """Where tags are added, and not only changed."""
        return bool(self.add_if)

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
            "trigger": occurring(record),
            "scores": record.scores.packed.hex() if its.order == "score" or its.cap or came else "",
            **({"concept": record.concept} if record.concept in self.per_concept else {}),
        }

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Reads the tables of aliases and prepares the lists."""
        general = CaptionRules(self)
        single = {name: CaptionRules(self.of(name)) for name in self.per_concept}

        def one(record: Record) -> Record:
            rules, concept = single.get(record.concept, general), env.concepts.get(record.concept)
            return dataclasses.replace(rules.apply(record, concept.absorb if concept else ()), style=rules.style)

        yield lambda records: [one(r) for r in records]
