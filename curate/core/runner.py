"""Runner: drives stages over a manifest, recalling what is known and computing what is not."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from curate.core.chain import Encode, Outcome, Prepared, merge
from curate.core.dataset_results import dataset_results, with_results
from curate.core.digests import FileDigests
from curate.core.events import Listener, RecordDone, StageFinished, StageRecalled, StageStarted
from curate.core.executor import Choose
from curate.core.files import digest_plain, digest_rows
from curate.core.meter import StageMeter
from curate.core.passes import passes
from curate.core.progress import Progress
from curate.core.record import Manifest, Record, to_plain
from curate.core.results import restore, stored_fields, with_digest
from curate.core.stage import Concept, DatasetStage, Env, RecordStage, Stage
from curate.core.store import Store
from curate.errors import CurateError, InputError, interruption

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
            if isinstance(group, DatasetStage):
                with nullcontext() if group.finishes_steps else self.env.interruptible():
                    manifest = self._dataset(group, manifest)
            else:
                manifest = self._records(group, manifest)
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
                recalled = None if open_ else self._recall_dataset(group, manifest, self._dataset_key(group, manifest))
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
            progress = self._recall(chain, manifest, open_)
            for level, prepared in enumerate(chain):
                if not isinstance(prepared.stage, Encode):
                    known, passed, fresh = progress.recalled(level), progress.passed(level), progress.fresh(level)
                    stage, unknown = prepared.stage, present - known - passed - fresh
                    plans.append(Planned(stage.name, fresh, known, unknown, stage.display_name))
            open_ |= {record.key for i, record in enumerate(progress.known) if progress.is_open(i)}
            manifest = progress.known
        return plans

    def _prepare(self, stage: RecordStage) -> Prepared:
        return Prepared(stage, digest_plain(identity(stage, self.env, self.store.file_digests)))

    def _settings(self, stage: Stage, concept: str) -> Any:
        about = (stage.concept_reads, concept)
        if about not in self._concept_settings:
            options, fields = self.env.concepts.get(concept, Concept()), set(stage.concept_reads)
            self._concept_settings[about] = options.model_dump(mode="json", include=fields) if fields else None
        return self._concept_settings[about]

    def _recall(
        self, chain: Sequence[Prepared], manifest: Manifest, left_out: Collection[str] = frozenset()
    ) -> Progress:
        """How far each record's results are known, level by level; of some, by key, it is not asked."""
        progress = Progress(len(chain))
        progress.recall(self._each_known(chain, manifest, left_out))
        return progress

    def _each_known(
        self, chain: Sequence[Prepared], manifest: Manifest, left_out: Collection[str]
    ) -> Iterator[tuple[Record, int | None, Sequence[Record], Sequence[int]]]:
        records = iter(manifest)
        while part := list(islice(records, _TOGETHER)):
            states = [_State((r,)) if not r.aside and r.key not in left_out else None for r in part]
            for level, prepared in enumerate(chain):
                self._recall_level(prepared, [s for s in states if s is not None and s.level == level])
            for record, state in zip(part, states, strict=True):
                yield (record, state.level, state.current, state.passed) if state else (record, None, (), ())

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
        with self.env.interruptible():
            chain = [self._prepare(stage) for stage in group]
            progress = self._recall(chain, manifest)
        meters = [
            StageMeter(p.stage, level, progress, self.tell)
            for level, p in enumerate(chain)
            if not isinstance(p.stage, Encode)
        ]
        failures: list[str] = []
        if todo := progress.open_count():
            for outcome in self.choose(chain, todo).map(chain, self._open_records(progress), self.env):
                record = progress.known[outcome.index]
                if outcome.error:
                    failures.append(outcome.error)
                    after = (dataclasses.replace(record.noting(failed=True), aside=outcome.error),)
                else:
                    after = self._keep(chain, record, outcome)
                progress.finish(outcome.index, after)
                aside = next((r.aside for r in after if r.aside), "")
                for meter in meters:
                    meter.record_done(outcome.index, record.key, aside)
        if self.env.stopping() and not progress.is_finished:
            self.store.commit()
            raise interruption()
        for meter in meters:
            meter.finish()
        if failures and len(failures) == progress.count and progress.count > 1:
            raise CurateError(
                f"{group[0].display_name} failed on all {len(failures)} pictures; the first: {failures[0]}"
            )
        with self.env.interruptible():
            return progress.gather()

    def _open_records(self, progress: Progress) -> Iterator[tuple[int, Record]]:
        """The records that are open, by number; there are no more once the user wants to stop."""
        for number, record in enumerate(progress.known):
            if progress.is_open(number):
                yield number, record
            elif number % _TOGETHER == 0 and self.env.stopping():
                return

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
        settings = {c: self._settings(stage, c) for c in sorted(manifest.concepts)}
        rows = ([r.key, r.concept, stage.key_fields(r)] for r in manifest if not r.aside)
        return digest_rows([identity(stage, self.env, self.store.file_digests), settings], rows)

    def _recall_dataset(self, stage: DatasetStage, manifest: Manifest, key: str) -> Manifest | None:
        """The manifest with the results that are known of the stage by its key; None where none are."""
        known = self.store.recall([key]).get(key)
        return None if known is None else with_results(manifest, known, stage)

    def _dataset(self, stage: DatasetStage, manifest: Manifest) -> Manifest:
        present = _present(manifest)
        with self.env.interruptible():
            key = self._dataset_key(stage, manifest)
            recalled = self._recall_dataset(stage, manifest, key)
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
        after = manifest if made is manifest else self._merged(stage, manifest, made)
        self.store.remember(stage.name, {key: dataset_results(manifest, after, stage)})
        aside = 0
        for old, new in zip(manifest, after, strict=True) if after.aside_count > manifest.aside_count else ():
            if new.aside and not old.aside:
                aside += 1
                self.tell(RecordDone(stage.name, new.key, new.aside))
        self.tell(StageFinished(stage.name, present, 0, aside, time.perf_counter() - begun))
        return after

    @staticmethod
    def _merged(stage: DatasetStage, manifest: Manifest, made: Manifest) -> Manifest:
        if len(made) != len(manifest) or any(new.key != old.key for new, old in zip(made, manifest, strict=True)):
            raise TypeError(f"stage {stage.name} must return the records it was given")
        pairs = zip(manifest, made, strict=True)
        return Manifest((merge(old, new, stage) for old, new in pairs), unique=True)


def identity(stage: Stage, env: Env, known: FileDigests) -> list[Any]:
    """What keys of the stage's results start with: which stage it is, its options, the content of its files.

    Raises InputError where a file cannot be read.
    """
    digests: list[str] = []
    for path, _, digest in known.sized(stage.files(env), "blake2b"):
        if isinstance(digest, OSError):
            raise InputError(f"{stage.display_name}: cannot read {path}: {digest.strerror}")
        digests.append(digest)
    return [type(stage).__module__, type(stage).__qualname__, stage.version, stage.key_options(), digests]


def _present(manifest: Manifest) -> int:
    return len(manifest) - manifest.aside_count


@dataclass(slots=True)
class _State:
    """How far a record came along a chain: what is known of it at that level, and which stages passed it by."""

    current: tuple[Record, ...]
    level: int = 0
    passed: tuple[int, ...] = ()

    def advance(self, after: Sequence[Record], *, passed: bool) -> None:
        if passed and any(not record.aside for record in after):
            self.passed += (self.level,)
        self.current = tuple(after)
        self.level += 1
