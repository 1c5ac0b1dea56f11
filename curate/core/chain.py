"""Chain: record stages that one worker applies to a record one after another, the picture staying in memory."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from curate.core.files import digest_bytes, digest_plain
from curate.core.record import FIELDS, Image, Record, changed
from curate.core.stage import Env, PreloadingWorker, RecordStage, Stage, Worker
from curate.errors import CurateError, PictureError, unloadable

_ALWAYS = frozenset({"key", "concept", "origin"})
_BLANK = Record("", "", "", Image(""))

Work = tuple[int, Record]
"""A record with its place in the manifest."""


class Applied(Protocol):
    """An opened chain: applies its stages to a batch of work."""

    def __call__(self, work: Sequence[Work], following: Sequence[Work] = ()) -> list[Outcome]:
        """One outcome for each piece of work; `following` is what comes next."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record: the records after each step of the chain, or why it failed.

    An executor yields it once all files that the records name are whole, under their names and on the disk: what the
    ledger keeps of it is true, also after a power cut.
    """

    index: int
    steps: tuple[tuple[Record, ...], ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Prepared:
    """A stage with the digests of the files it uses, ready to key records; picklable."""

    stage: RecordStage
    base: str

    def key(self, record: Record, settings: object = None) -> str:
        """The key of the stage's result for this record."""
        return digest_plain([self.base, settings, self.stage.key_fields(record)])


class Encode(RecordStage):
    """Ends every pass of picture stages: what was held in memory becomes a file of ours, named by its content."""

    reads: ClassVar[frozenset[str]] = frozenset({"image", "encoding"})
    writes: ClassVar[frozenset[str]] = frozenset({"image"})

    @property
    def name(self) -> str:
        """The name in results and events."""
        return "encode"

    @contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker; a record whose picture no stage touched keeps the file it has."""
        yield lambda records: [self._encode(r, env) for r in records]

    def applies_to(self, record: Record) -> bool:
        """A source file that no stage touched is nothing to encode."""
        return not os.path.isabs(record.image.path)  # noqa: PTH117

    def files_exist(self, records: Sequence[Record], env: Env) -> bool:
        """Whether the encoded files are still there."""
        return all(r.image.path and os.path.isfile(f"{env.root}/{r.image.path}") for r in records)  # noqa: PTH113

    @staticmethod
    def _encode(record: Record, env: Env) -> Record:
        pixels = env.held.get(record.key)
        if pixels is None:
            return record
        height, width = pixels.shape[:2]
        lossless = record.encoding.startswith("png")
        # the one digest of millions of bytes a picture: SHA-256 has instructions of its own in most processors
        content = hashlib.sha256(pixels.data if pixels.flags.c_contiguous else pixels.tobytes()).hexdigest()
        digest = digest_plain([width, height, content, "png" if lossless else record.encoding])
        kind = record.encoding.partition(":")[0]
        name = digest + "-" + digest_bytes(record.encoding.encode())[:6] + "." + {"jpeg": "jpg"}.get(kind, kind)
        path = f"objects/{digest[:2]}/{name}"
        env.add_file(path, lambda p: env.pictures.write(pixels, p, record.encoding))
        return dataclasses.replace(record, image=Image(digest, path, width, height))


def project(record: Record, stage: RecordStage) -> Record:
    """The record as the stage may see it: only what it reads."""
    shown = stage.reads | _ALWAYS
    return changed(record, {f: getattr(_BLANK, f) for f in FIELDS if f not in shown})


def merge(record: Record, result: Record, stage: Stage) -> Record:
    """The record with what the stage wrote; added facts and notes join those that are there."""
    changes = {f: getattr(result, f) for f in stage.writes}
    changes["key"] = result.key
    return changed(record, joined(record, changes, stage))


def joined(record: Record, changes: dict[str, Any], stage: Stage) -> dict[str, Any]:
    """The changes, with facts and notes that the stage only adds to joined to the record's."""
    if "facts" in changes and "facts" not in stage.reads:
        changes["facts"] = {**record.facts, **changes["facts"]}
    if "notes" in changes and "notes" not in stage.reads:
        changes["notes"] = record.notes + tuple(n for n in changes["notes"] if n not in record.notes)
    return changes


@contextmanager
def open_chain(chain: Sequence[Prepared], env: Env) -> Generator[Applied]:
    """Opens every stage of the chain and yields what takes a batch of work and gives one outcome for each.

    The work that comes next may be given too: a first worker that is a PreloadingWorker starts on it. A record that
    fails is its own outcome; its batch goes on. Errors that concern the whole run (a missing model, a full disk) are
    raised.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(_opened(p.stage, env)) for p in chain]

        def apply(work: Sequence[Work], following: Sequence[Work] = ()) -> list[Outcome]:
            first = workers[0]
            if following and isinstance(first, PreloadingWorker):
                first.preload([project(r, chain[0].stage) for _, r in following if not r.aside])
            try:
                return _apply(chain, workers, work)
            except ImportError as error:
                raise unloadable(error) from error
            except Exception as error:
                if _fatal(error):
                    raise
                if len(work) == 1:
                    return [Outcome(work[0][0], error=_reason(error))]
                env.held.clear()
                return [outcome for one in work for outcome in apply([one])]
            finally:
                env.held.clear()

        yield apply


def _opened(stage: RecordStage, env: Env) -> AbstractContextManager[Worker]:
    return stage.open(env)


def _apply(chain: Sequence[Prepared], workers: Sequence[Worker], work: Sequence[Work]) -> list[Outcome]:
    steps: list[list[tuple[Record, ...]]] = [[] for _ in work]
    current: list[list[Record]] = [[record] for _, record in work]
    for prepared, worker in zip(chain, workers, strict=True):
        current = _step(prepared.stage, worker, current)
        for done, records in zip(steps, current, strict=True):
            done.append(tuple(records))
    return [Outcome(index, tuple(done)) for (index, _), done in zip(work, steps, strict=True)]


def _step(stage: RecordStage, worker: Worker, groups: list[list[Record]]) -> list[list[Record]]:
    if stage.requirements().batch == 1:
        return [[new for old in group for new in _one(stage, worker, old)] for group in groups]
    going = [r for group in groups for r in group if not r.aside and stage.applies_to(r)]
    results = worker([project(r, stage) for r in going]) if going else []
    if len(results) != len(going):
        raise TypeError(f"stage {stage.name} returned {len(results)} records for {len(going)}")
    after = {old.key: merge(old, new, stage) for old, new in zip(going, results, strict=True)}
    return [[after.get(r.key, r) for r in group] for group in groups]


def _one(stage: RecordStage, worker: Worker, record: Record) -> list[Record]:
    if record.aside or not stage.applies_to(record):
        return [record]
    return [merge(record, new, stage) for new in worker([project(record, stage)])]


def _fatal(error: Exception) -> bool:
    return isinstance(error, CurateError) and not isinstance(error, PictureError)


def _reason(error: Exception) -> str:
    if isinstance(error, PictureError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory for this picture"
    return f"{type(error).__name__}: {error}"
