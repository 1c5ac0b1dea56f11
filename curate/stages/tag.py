"""Stage tag: asks taggers what is in each picture, and picks tags from their scores by thresholds."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

import taggers
from curate import captions
from curate.core import registry
from curate.core.counting import counted
from curate.core.path_options import ModelName
from curate.core.record import Record
from curate.core.stage import CompositeStage, Env, RecordStage, Resources, Stage, Worker
from curate.core.store import Store
from curate.tagging.describing import DESCRIBED, Description
from curate.tagging.models import called, earlier, find, translated
from curate.tagging.scoring import Scoring
from taggers import select, underage_screening

CATEGORIES = ("general", "character", "copyright", "species")


class Tag(CompositeStage):
    """Tag pictures with one or more taggers. Scores are stored, so changing a threshold does not rerun the model."""

    tagger: tuple[ModelName, ...] = Field(
        ("wd-swinv2-tagger-v3",),
        min_length=1,
        description="Taggers, best first: names (see `curate models`) or model folders.",
    )
    family: str = Field("", description="Tagger family of the model folders, if their files do not show it.")
    merge: Literal["max", "mean", "priority"] = Field(
        "max",
        description=(
            "How to combine several taggers: max takes the highest score, mean the average, priority "
            "the first that knows the tag."
        ),
    )
    general: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Threshold for all categories except characters. Default: the tagger's own (WD: 0.35).",
    )
    character: float | None = Field(
        None, ge=0, le=1, description="Threshold for characters. Default: the tagger's own (WD: 0.85)."
    )
    thresholds: dict[str, float] = Field({}, description="Thresholds of other categories, for example copyright=0.5.")
    cut: Literal["thresholds", "mcut", "best"] = Field(
        "thresholds",
        description=(
            "How to choose tags: thresholds; mcut (at the largest gap between scores); best (each "
            "tag's own threshold, if the model has them)."
        ),
    )
    categories: tuple[str, ...] = Field(CATEGORIES, description="Categories of tags to use.")
    rating: Literal["off", "plain", "prefixed"] = Field(
        "off", description="Add the rating as a tag: general, or rating:general."
    )
    copyrights: bool = Field(
        False, description="Add the copyright (series) tag of a recognized character, if the model knows it."
    )
    max_tags: int = Field(
        0,
        ge=0,
        description=(
            "Keep at most this many tags, by score; 0 sets no limit. prune has a cap that counts "
            "after implied tags are gone."
        ),
    )
    existing: Literal["keep", "merge", "replace"] = Field(
        "keep", description="For pictures that came with a caption: keep it, merge tags into it, or replace it."
    )
    describe: ModelName = Field(
        "", description="Also write a sentence with this vision-language model: a hub name or a folder."
    )
    prompt: str = Field(
        "", description="Prompt for that model. Default: its own captioning task, or a request for one sentence."
    )
    max_tokens: int = Field(100, ge=1, description="Maximum length of the sentence in that model's tokens.")
    floor: float = Field(
        0.05,
        ge=0,
        le=0.2,
        description=("Lowest score to store. Thresholds can later be lowered to this without rerunning the model."),
    )

    reads: ClassVar[frozenset[str]] = frozenset({"image", "facts", "imported", "trigger"})
    writes: ClassVar[frozenset[str]] = frozenset({"scores", "facts", "tags", "sentence", "notes", "aside"})

    def problems(self) -> Mapping[str, str]:
        """Names of taggers that nobody knows, and thresholds for scores that are not kept."""
        wrong = [w for name in self.tagger if (w := registry.misnamed(name, taggers.names(), "tagger"))]
        given = {"general": [self.general], "character": [self.character], "thresholds": self.thresholds.values()}
        low = {o: min((v for v in values if v is not None), default=1.0) for o, values in given.items()}
        said = "is below the floor: scores under {} are not stored (lower floor as well)".format
        return {
            **({"tagger": "; ".join(wrong)} if wrong else {}),
            **{o: f"{value:g} {said(f'{self.floor:g}')}" for o, value in low.items() if value < self.floor},
        }

    @property
    def asks_ledger(self) -> bool:
        """Whether no tagger is named: then the one that the folder was tagged with is meant."""
        return "tagger" not in self.model_fields_set

    def known_options(self, ledger: Store) -> Mapping[str, Sequence[str]]:
        """The taggers whose scores the folder's ledger keeps. Raises InputError for a model folder that is gone."""
        known = earlier(ledger) if self.asks_ledger else ()
        return {"tagger": known} if known else {}

    def parts(self) -> Sequence[Stage]:
        """Scores, keyed by models and floor; the sentence, where one is asked for; selection, keyed by the rest."""
        scoring = Scoring(tagger=self.tagger, family=self.family, floor=self.floor)
        if not self.describe:
            return (scoring, _Selection(options=self))
        described = Description(model=self.describe, prompt=self.prompt, max_tokens=self.max_tokens)
        return (scoring, described, _Selection(options=self))


class _Selection(RecordStage):
    """Picks tags from known scores; microseconds."""

    options: Tag

    part: ClassVar[str] = "thresholds"
    version: ClassVar[int] = 3
    reads: ClassVar[frozenset[str]] = frozenset({"scores", "facts", "imported", "trigger"})
    writes: ClassVar[frozenset[str]] = frozenset({"tags", "sentence", "notes", "aside"})
    resources: ClassVar[Resources] = Resources(cpus=0)

    def key_options(self) -> dict[str, Any]:
        """All options but those of the scoring, whose effect is in the scores."""
        plain = self.options.model_dump(
            mode="json", exclude={"floor", "family", "tagger", "describe", "prompt", "max_tokens"}
        )
        return {**plain, "names": [called(n) for n in self.options.tagger], "described": bool(self.options.describe)}

    def key_fields(self, record: Record) -> Mapping[str, Any]:
        """Trigger words matter only among the tags of a caption that came with the picture."""
        trigger: list[str] = []
        if record.imported is not None:
            among = set(captions.parse_imported(record)[0])
            trigger = [t for t in record.trigger if t in among]
        said = self._said(record)
        return {
            "scores": record.scores.packed.hex(),
            "facts": [said, _found_before(record)],
            "imported": record.imported,
            **_form(record),
            "trigger": trigger,
        }

    def files(self, env: Env) -> Sequence[Path]:
        """Label files, where the selection needs what they say."""
        return [f.files[1] for f in self._labelled(env)]

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Reads the tables that the options ask for."""
        with translated():
            rules = self._rules(env)
        vocabularies = {called(n): taggers.vocabulary(n) for n in self.options.tagger}
        yield lambda records: [self._select(r, rules, vocabularies) for r in records]

    def _said(self, record: Record) -> str:
        return str(record.facts.get(DESCRIBED, "")) if self.options.describe else ""

    def _labelled(self, env: Env) -> Sequence[taggers.AtHand]:
        several = len(self.options.tagger) > 1 and self.options.merge != "max"
        needed = several or self.options.cut == "best" or self.options.copyrights
        return find(self.options.tagger, self.options.family, env) if needed else ()

    def _rules(self, env: Env) -> select.Rules:
        options = self.options
        given = {c: t for c, t in (("general", options.general), ("character", options.character)) if t is not None}
        labelled = {f.name: f for f in self._labelled(env)}
        return select.Rules(
            models=tuple(called(n) for n in options.tagger),
            thresholds={
                called(n): {**taggers.thresholds(n, options.family, offline=env.offline), **given, **options.thresholds}
                for n in options.tagger
            },
            given=frozenset({*given, *options.thresholds}),
            cut=options.cut,
            merge=options.merge,
            categories=frozenset(options.categories),
            rating=options.rating,
            limit=options.max_tags,
            best={n: f.best() for n, f in labelled.items()} if options.cut == "best" else {},
            copyrights={k: v for f in labelled.values() for k, v in f.copyrights().items()}
            if options.copyrights
            else {},
            known={n: f.known() for n, f in labelled.items()} if options.merge != "max" else {},
        )

    def _select(self, record: Record, rules: select.Rules, vocabularies: Mapping[str, str]) -> Record:
        scores = record.scores.unpack()
        own, sentence = captions.parse_imported(record)
        said = self._said(record)
        reason = underage_screening.screen(scores, own, f"{sentence} {said}", vocabularies)
        if reason:
            return _with(record, aside=reason)
        before = _found_before(record)
        own = (*own, *(t for t in before if t not in own))
        picked = tuple(select.pick(scores, rules))
        picked = (*picked, *(t for t in before if t not in picked))
        existing = self.options.existing if (record.imported or "").strip() else "replace"
        if existing == "keep":
            return _with(record, tags=own, sentence=sentence, note="tag: kept the caption that came with the picture")
        if existing == "merge":
            added = tuple(t for t in picked if t not in own)
            return _with(
                record,
                tags=own + added,
                sentence=sentence or said,
                note=f"tag: added {counted(len(added), 'tag')} to its own caption",
            )
        return _with(record, tags=picked, sentence=said)


def _form(record: Record) -> Mapping[str, Any]:
    """Part of the key where the person said that captions are sentences."""
    form = record.facts.get("caption_form")
    return {"caption_form": form} if form else {}


def _found_before(record: Record) -> list[str]:
    """The tags that picture stages found to be true."""
    return [name.removeprefix("tag:") for name in record.facts if name.startswith("tag:")]


def _with(record: Record, *, note: str = "", **changes: Any) -> Record:
    return dataclasses.replace(record.noting(note) if note else record, **changes)
