"""Scoring: taggers run over pictures, batches filled ahead of the device; their scores are kept above a floor."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import taggers
from curate.core.record import Record
from curate.core.scores import Scores
from curate.core.stage import Env, PreloadingWorker, RecordStage, Resources, Worker
from curate.errors import CurateError, PictureError
from curate.tagging.models import called, find, translated
from taggers.prefetch import cores


class Scoring(RecordStage):
    """Runs the models."""

    tagger: tuple[str, ...]
    family: str
    floor: float

    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"scores"})
    resources: ClassVar[Resources] = Resources(cpus=1, gpus=1, batch=32)
    part: ClassVar[str] = "scores"

    @property
    def name(self) -> str:
        """The name in results and events."""
        return "tag (scoring)"

    def key_options(self) -> dict[str, Any]:
        """Names enter the key, since scores are kept by them; what the names stand for does by the files' digests."""
        return {"names": [called(n) for n in self.tagger], "family": self.family, "floor": self.floor}

    def files(self, env: Env) -> Sequence[Path]:
        """Graphs, labels and what goes with them; fetches what is not here yet."""
        return [f for found in find(self.tagger, self.family, env) for f in found.files]

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Loads all models, yields the worker, releases them."""
        found = find(self.tagger, self.family, env)
        with contextlib.ExitStack() as stack, translated():
            opened = {f.name: stack.enter_context(self._opened(f, env)) for f in found}
            scorer = _Scorer(opened, env)
            stack.callback(scorer.close)
            yield scorer

    def _opened(self, found: taggers.Tagger, env: Env) -> contextlib.AbstractContextManager[taggers.OpenTagger]:
        return found.open(env.device, require_gpu=env.require_gpu, floor=self.floor)


class _Scorer(PreloadingWorker):
    """Scores records. Those that come next may be announced with `preload`: their pictures are decoded and prepared on
    threads, and scored as soon as the device is free, while the caller still deals with the results before.

    What was computed beside a broken picture is kept for the retry that follows it.
    """

    def __init__(self, opened: Mapping[str, taggers.OpenTagger], env: Env) -> None:
        self._opened, self._env = opened, env
        self._spare: dict[str, Scores] = {}
        self._coming: dict[tuple[str, ...], Future[_Scored]] = {}
        self._device = ThreadPoolExecutor(1, "scoring")
        self._threads = ThreadPoolExecutor(cores(), "preparing")

    def preload(self, records: Sequence[Record]) -> None:
        """Starts on records that the next call will be about."""
        if records and not self._spare:
            self._coming[_names(records)] = self._begin(records)

    def __call__(self, records: Sequence[Record]) -> Sequence[Record]:
        names = _names(records)
        if any(n not in self._spare for n in names):
            known, failed = (self._coming.pop(names, None) or self._begin(records)).result()
            self._spare |= known
            if failed is not None:
                raise failed
        done = [dataclasses.replace(r, scores=self._spare[n]) for r, n in zip(records, names, strict=True)]
        for name in names:
            del self._spare[name]
        return done

    def close(self) -> None:
        """Waits for what runs and drops what was not asked for."""
        self._device.shutdown(cancel_futures=True)
        self._threads.shutdown(cancel_futures=True)

    def _begin(self, records: Sequence[Record]) -> Future[_Scored]:
        return self._device.submit(self._score, records, [self._threads.submit(self._prepared, r) for r in records])

    def _prepared(self, record: Record) -> dict[str, Any]:
        pixels = self._env.pixels(record)
        return {name: tagger.prepare(pixels) for name, tagger in self._opened.items()}

    def _score(self, records: Sequence[Record], prepared: Sequence[Future[dict[str, Any]]]) -> _Scored:
        """Scores by identity, and the first failure among those that have none."""
        found: dict[str, dict[str, taggers.Scored]] = {}
        failed: list[Exception] = []
        waiting: dict[str, dict[str, Any]] = {}
        for record, future in zip(records, prepared, strict=True):
            try:
                tensors = future.result()
            except Exception as error:  # the picture's own fault: the others go on
                failed.append(error)
                continue
            for name, tagger in self._opened.items():
                queue = waiting.setdefault(name, {})
                queue[_identity(record)] = tensors[name]
                if len(queue) >= tagger.batch:
                    self._infer(name, waiting.pop(name), found)
        for name, queue in waiting.items():
            self._infer(name, queue, found)
        known = {identity: Scores.pack(scores) for identity, scores in found.items()}
        if not failed:
            return known, None
        kept = isinstance(failed[0], (CurateError, MemoryError))
        return known, failed[0] if kept else PictureError(f"{type(failed[0]).__name__}: {failed[0]}")

    def _infer(self, name: str, tensors: Mapping[str, Any], found: dict[str, dict[str, taggers.Scored]]) -> None:
        for identity, scored in zip(tensors, self._opened[name].infer([*tensors.values()]), strict=True):
            found.setdefault(identity, {})[name] = scored


_Scored = tuple[dict[str, Scores], Exception | None]


def _identity(record: Record) -> str:
    return record.key + "\0" + record.image.digest


def _names(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple(_identity(r) for r in records)
