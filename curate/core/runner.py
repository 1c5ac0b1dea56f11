"""Runner: drives stages over a manifest, recalling what is known and computing what is not."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from curate.core.chain import Encode, Outcome, Prepared, joined, merge
from curate.core.database import chunks
from curate.core.digests import FileDigests
from curate.core.events import Listener, RecordDone, StageFinished, StageRecalled, StageStarted
from curate.core.executor import Choose
from curate.core.files import digest_plain, digest_rows
from curate.core.meter import StageMeter
from curate.core.passes import passes
from curate.core.record import Manifest, Record, changed, to_plain, typed
from curate.core.results import gather, restore, stored_fields, with_digest
from curate.core.stage import Concept, DatasetStage, Env, RecordStage, Stage
from curate.core.store import Store
from curate.errors import CurateError, MissingError, interruption

_TOGETHER = 2000
"""Records whose results are asked for together: the results of all would need as much memory as the records."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a stage would do: pictures to compute, pictures recalled; `unknown` where it depends on an earlier stage.

    `title` is what people call the stage, or the part of it.
    """

    stage: str
    compute: int
    recalled: int
    unknown: int = 0
    title: str = ""


@dataclass
class Runner:
    """Runs stages in order over a manifest; results live in `store`, events go to `tell`."""

    store: Store
    env: Env
    choose: Choose
    tell: Listener
    _concept_settings: dict[tuple[frozenset[str], str], Any] = field(
        default_factory=dict[tuple[frozenset[str], str], Any], init=False
    )

    def run(self, stages: Sequence[Stage], manifest: Manifest) -> Manifest:
        """The manifest after all stages.

        Raises Interrupted once the user stops, CurateError where the run cannot go on.
        """
        for group in passes(stages):
            whole = isinstance(group, DatasetStage)
            manifest = self._dataset(group, manifest) if whole else self._records(group, manifest)
            self.store.commit()
            if self.env.stopping():
                raise interruption()
        return manifest

    def plan(self, stages: Sequence[Stage], manifest: Manifest) -> list[Planned]:
        """What `run` would compute and recall, without computing anything."""
        plans: list[Planned] = []
        open_: set[str] = set()
        for group in passes(stages):
            present = _present(manifest)
            if isinstance(group, DatasetStage):
                recalled = None if open_ else self._recall_dataset(group, manifest)
                if recalled is None or not group.is_current(recalled, self.env, self.tell):
                    plans.append(
                        Planned(group.name, 0 if open_ else present, 0, present if open_ else 0, group.display_name)
                    )
                    open_ = {r.key for r in manifest.present}
                else:
                    plans.append(Planned(group.name, 0, present, 0, group.display_name))
                    manifest = recalled
                continue
            chain = [self._prepare(stage) for stage in group]
            states = {i: s for i, s in self._recall(chain, manifest).items() if manifest[i].key not in open_}
            for level, prepared in enumerate(chain):
                if not isinstance(prepared.stage, Encode):
                    known = sum(s.is_recalled(level) for s in states.values())
                    passed = sum(s.is_passed(level) for s in states.values())
                    fresh = sum(s.level == level for s in states.values())
                    stage, unknown = prepared.stage, present - known - passed - fresh
                    plans.append(Planned(stage.name, fresh, known, unknown, stage.display_name))
            open_ |= {manifest[i].key for i, s in states.items() if s.level < len(chain)}
            manifest = gather(manifest, {i: s.current for i, s in states.items() if s.level == len(chain)})
        return plans

    def _prepare(self, stage: RecordStage) -> Prepared:
        return Prepared(stage, digest_plain(identity(stage, self.env, self.store.file_digests)))

    def _settings(self, stage: Stage, concept: str) -> Any:
        about = (stage.concept_reads, concept)
        if about not in self._concept_settings:
            options, fields = self.env.concepts.get(concept, Concept()), set(stage.concept_reads)
            self._concept_settings[about] = options.model_dump(mode="json", include=fields) if fields else None
        return self._concept_settings[about]

    def _recall(self, chain: Sequence[Prepared], manifest: Manifest) -> dict[int, _State]:
        """How far each record's results are known, level by level."""
        states = {i: _State((r,)) for i, r in enumerate(manifest) if not r.aside}
        for level, prepared in enumerate(chain):
            for part in chunks([s for s in states.values() if s.level == level], _TOGETHER):
                self._recall_level(prepared, part)
        return states

    def _recall_level(self, prepared: Prepared, states: Sequence[_State]) -> None:
        """Advances the records whose results of a stage are known."""
        stage = prepared.stage
        keys = {
            (i, r.key): self._key(prepared, r)
            for i, s in enumerate(states)
            for r in s.current
            if not r.aside and stage.applies_to(r)
        }
        known = self.store.recall(list(keys.values()))
        for i, state in enumerate(states):
            after: list[Record] | None = []
            made: list[Record] = []
            for record in state.current:
                if (i, record.key) not in keys:
                    after.append(record)
                    continue
                rows = known.get(keys[i, record.key])
                if rows is None:
                    after = None
                    break
                made.extend(results := [restore(record, row, stage) for row in rows])
                after.extend(results)
            if after is not None and stage.files_exist([r for r in made if not r.aside], self.env):
                state.advance(after, passed=not any((i, r.key) in keys for r in state.current if not r.aside))

    def _key(self, prepared: Prepared, record: Record) -> str:
        return prepared.key(record, self._settings(prepared.stage, record.concept))

    def _records(self, group: Sequence[RecordStage], manifest: Manifest) -> Manifest:
        chain = [self._prepare(stage) for stage in group]
        states = self._recall(chain, manifest)
        todo = [(i, manifest[i]) for i, s in states.items() if s.level < len(chain)]
        after = {i: s.current for i, s in states.items() if s.level == len(chain)}
        meters = [
            self._meter(p.stage, level, states) for level, p in enumerate(chain) if not isinstance(p.stage, Encode)
        ]
        failures: list[str] = []
        if todo:
            for outcome in self.choose(chain, len(todo)).map(chain, todo, self.env):
                record = manifest[outcome.index]
                if outcome.error:
                    failures.append(outcome.error)
                    after[outcome.index] = (dataclasses.replace(record.noting(failed=True), aside=outcome.error),)
                else:
                    after[outcome.index] = self._keep(chain, record, outcome)
                aside = next((r.aside for r in after[outcome.index] if r.aside), "")
                for meter in meters:
                    meter.record_done(outcome.index, record.key, aside)
        if self.env.stopping() and len(after) < len(states):
            self.store.commit()
            raise interruption()
        for meter in meters:
            meter.finish()
        if failures and len(failures) == len(states) and len(states) > 1:
            raise CurateError(
                f"{group[0].display_name} failed on all {len(failures)} pictures; the first: {failures[0]}"
            )
        return gather(manifest, after)

    def _meter(self, stage: Stage, level: int, states: Mapping[int, _State]) -> StageMeter:
        todo = {i for i, s in states.items() if s.level <= level}
        return StageMeter(stage, todo, sum(s.is_recalled(level) for s in states.values()), self.tell)

    def _keep(self, chain: Sequence[Prepared], record: Record, outcome: Outcome) -> tuple[Record, ...]:
        """Remembers what each step made of the record; in-memory pictures are named by the step that made them."""
        before: tuple[Record, ...] = (record,)
        for prepared, results in zip(chain, outcome.steps, strict=True):
            after: list[Record] = []
            rows: dict[str, list[Any]] = {}
            for old in before:
                if old.aside or not prepared.stage.applies_to(old):
                    after.append(old)
                    continue
                key = self._key(prepared, old)
                mine = (
                    results
                    if len(before) == 1
                    else [r for r in results if r.key == old.key or r.key.startswith(old.key + "#")]
                )
                news = [with_digest(r, key, n) for n, r in enumerate(mine)]
                rows[key] = [
                    {"part": r.key.removeprefix(old.key), **to_plain(r, sorted(prepared.stage.writes))}
                    for r in stored_fields(old, news, prepared.stage)
                ]
                after.extend(news)
            self.store.remember(prepared.stage.name, rows)
            before = tuple(after)
        return before

    def _dataset_key(self, stage: DatasetStage, manifest: Manifest) -> str:
        concepts = {r.concept for r in manifest}
        settings = {c: self._settings(stage, c) for c in sorted(concepts)}
        rows = ([r.key, r.concept, stage.key_fields(r)] for r in manifest if not r.aside)
        return digest_rows([identity(stage, self.env, self.store.file_digests), settings], rows)

    def _recall_dataset(self, stage: DatasetStage, manifest: Manifest) -> Manifest | None:
        """The manifest with the results that are known of the stage; None where none are."""
        key = self._dataset_key(stage, manifest)
        known = self.store.recall([key]).get(key)
        if known is None:
            return None
        return Manifest(changed(r, joined(r, typed(known[r.key]), stage)) if r.key in known else r for r in manifest)

    def _dataset(self, stage: DatasetStage, manifest: Manifest) -> Manifest:
        present = _present(manifest)
        recalled = self._recall_dataset(stage, manifest)
        begun = time.perf_counter()
        made = stage.recall_or_run(
            manifest,
            recalled,
            self.env,
            self.tell,
            lambda: self.tell(StageStarted(stage.name, present, 0, stage.display_name)),
        )
        if made is recalled:
            self.tell(StageRecalled(stage.name, present, stage.display_name))
            return made
        if [r.key for r in made] != [r.key for r in manifest]:
            raise TypeError(f"stage {stage.name} must return the records it was given")
        after = Manifest(merge(old, new, stage) for old, new in zip(manifest, made, strict=True))
        written = {
            new.key: to_plain(stored_fields(old, [new], stage)[0], sorted(stage.writes))
            for old, new in zip(manifest, after, strict=True)
            if new != old
        }
        self.store.remember(stage.name, {self._dataset_key(stage, manifest): written})
        aside = [(old, new) for old, new in zip(manifest, after, strict=True) if new.aside and not old.aside]
        for _, new in aside:
            self.tell(RecordDone(stage.name, new.key, new.aside))
        self.tell(StageFinished(stage.name, present, 0, len(aside), time.perf_counter() - begun))
        return after


def identity(stage: Stage, env: Env, known: FileDigests) -> list[Any]:
    """What keys of the stage's results start with: which stage it is, its options, the content of its files.

    Raises MissingError where a file cannot be read.
    """
    digests: list[str] = []
    for path, _, digest in known.sized(stage.files(env), "blake2b"):
        if isinstance(digest, OSError):
            raise MissingError(f"{stage.display_name}: cannot read {path}: {digest.strerror}")
        digests.append(digest)
    return [type(stage).__module__, type(stage).__qualname__, stage.version, stage.key_options(), digests]


def _present(manifest: Manifest) -> int:
    return sum(not record.aside for record in manifest)


@dataclass(slots=True)
class _State:
    """How far a record came along a chain: what is known of it at that level, and which stages passed it by."""

    current: tuple[Record, ...]
    level: int = 0
    passed: frozenset[int] = frozenset()

    def advance(self, after: Sequence[Record], *, passed: bool) -> None:
        if passed and any(not record.aside for record in after):
            self.passed |= {self.level}
        self.current = tuple(after)
        self.level += 1

    def is_passed(self, level: int) -> bool:
        return level in self.passed

    def is_recalled(self, level: int) -> bool:
        return self.level > level and level not in self.passed
