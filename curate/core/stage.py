"""Stage: what a step of the pipeline is. A stage is its options; workers are opened from it.

A file of a stage finds here all that it needs, so that it imports one module.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Self

from curate.core.concept import Concept
from curate.core.env import Env, PictureIO, Pixels
from curate.core.events import Listener
from curate.core.findings import Findings
from curate.core.options import Options, takes_list
from curate.core.record import Manifest, Record, to_plain
from curate.core.stage_command import StageCommand
from curate.core.worker import PreloadingWorker, Resources, Worker
from curate.errors import CurateError, InputError, MissingError

__all__ = [
    "CompositeStage",
    "Concept",
    "DatasetStage",
    "Env",
    "Findings",
    "Options",
    "PictureIO",
    "Pixels",
    "PreloadingWorker",
    "RecordStage",
    "Resources",
    "Stage",
    "Worker",
    "adds_only",
    "picture_stage",
    "takes_list",
]


class Stage(StageCommand):
    """A step of the pipeline: a frozen, typed set of options. The file's name is the stage's name."""

    version: ClassVar[int] = 1
    """Raise it when the same options give another result than before."""
    reads: ClassVar[frozenset[str]] = frozenset()
    """Record fields it looks at; the worker sees no others (key, concept and origin apart)."""
    writes: ClassVar[frozenset[str]] = frozenset()
    """Record fields it may change. `facts` and `notes` that are written but not read are added to what is there."""
    concept_reads: ClassVar[frozenset[str]] = frozenset()
    """Fields of `Concept` it looks up in `env.concepts`; they enter the key."""

    unkeyed: ClassVar[frozenset[str]] = frozenset()
    """Options that change no byte of what comes out, only how it is carried out; they stay out of the key."""
    reads_folder: ClassVar[bool] = False
    """Whether the stage reads its folder from disk itself and names what is odd there, so that scanning need not."""
    distributed: ClassVar[bool] = False
    """Whether all processes of a launcher take part in `run`; of other stages the first process does everything."""
    within_output: ClassVar[bool] = False
    """Whether `files_exist` or `is_current`, where the stage overrides them, look at files in `env.output` alone.

    A run whose stages all do is known as a whole once nothing there, in the input or in `files` changed.
    """
    part: ClassVar[str] = ""
    """What people call this step where a stage is made of several: scores, thresholds; "" for a whole stage."""

    @property
    def name(self) -> str:
        """The stage's name in YAML, on the command line and in events; a private part of it says which."""
        found = type(self).__module__.rsplit(".", 1)[-1].replace("_", "-")
        own = type(self).__name__
        return f"{found} ({own.strip('_').lower()})" if own.startswith("_") else found

    @property
    def display_name(self) -> str:
        """The name in everything that people read: `tag`, or `tag: scores` for a part of it."""
        return f"{self.name.partition(' (')[0]}: {self.part}" if self.part else self.name

    def parts(self) -> Sequence[Stage]:
        """The steps a runner executes and keys one by one; most stages are one step."""
        return (self,)

    def files(self, env: Env) -> Sequence[Path]:
        """Model and data files whose content takes part in the result (their digests enter the key)."""
        return ()

    @property
    def keeps_truncated(self) -> bool:
        """Whether the stage keeps what can be read of damaged files, so that they are not set aside before it."""
        return False

    @property
    def needs_masks(self) -> bool:
        """Whether the stage cannot do without a mask of some picture."""
        return False

    @property
    def makes_masks(self) -> bool:
        """Whether the stage may give pictures masks that have none."""
        return False

    @property
    def needed_captions(self) -> tuple[str, ...]:
        """Endings of caption files of which the stage needs at least one; none where it does without captions."""
        return ()

    @property
    def makes_captions(self) -> bool:
        """Whether the stage may give pictures captions that have none."""
        return bool(self.writes & {"tags", "sentence"})

    def problems(self) -> Mapping[str, str]:
        """What is wrong with options that are well-typed: option -> message.

        Quick and offline: asked before anything runs.
        """
        return {}

    def missing(self, env: Env) -> Sequence[CurateError]:
        """Everything that keeps this stage from starting: files, folders and models, or options that do not fit.

        Asked before the first picture is touched, and by `plan`. It loads no model. By default it looks for `files`
        of all parts, which may fetch what a hub has.
        """
        return [lack for part in self.parts() for lack in _missing_files(part, env)]

    @property
    def reads_training(self) -> bool:
        """Whether the stage writes files by which other programs train the same, and so looks at `Env.training`."""
        return False

    def before_training(self, options: Callable[[], Mapping[str, Any]]) -> Self:
        """The stage with what it takes from the training of its pipeline, whose `options` cost a look at the base."""
        return self

    def training_options(self) -> Mapping[str, Any]:
        """What the stage would train with; nothing for a stage that trains nothing. See `Env.training`."""
        return {}

    def key_options(self) -> dict[str, Any]:
        """The options that take part in the key: all but `unkeyed`, unless a step uses only some."""
        return self.model_dump(mode="json", exclude=set(self.unkeyed))

    def check_records(self, manifest: Manifest, env: Env, tell: Listener) -> None:
        """Warns of names in the options that mean no record; asked once, before the first stage runs."""

    def key_fields(self, record: Record) -> Mapping[str, Any]:
        """Exactly what this stage looks at in a record, JSON-able: the key is made of it.

        A stage narrows it where a field matters only in part (`prune` minds the triggers among the tags alone).
        """
        plain = to_plain(record, self.reads - {"image"})
        if "image" in self.reads:
            plain["image"] = record.image.digest
        return plain


def _missing_files(stage: Stage, env: Env) -> Sequence[CurateError]:
    try:
        paths = stage.files(env)
    except (InputError, MissingError) as error:
        return [error]
    return [
        InputError(f"{stage.name.partition(' ')[0]}: {path} does not exist", "check the path of the file")
        for path in paths
        if not path.exists()
    ]


class RecordStage(Stage):
    """One record at a time, cached per record, spread over workers."""

    resources: ClassVar[Resources] = Resources()

    def requirements(self) -> Resources:
        """What a worker needs with these options; `resources` unless a stage's options decide."""
        return self.resources

    def applies_to(self, record: Record) -> bool:
        """Whether the stage has anything to do with a record; others pass it by, and no result of theirs is kept."""
        return True

    @abstractmethod
    def open(self, env: Env) -> AbstractContextManager[Worker]:
        """Loads what is heavy, yields the worker, releases it.

        The worker takes up to `resources.batch` records and returns as many in the same order; a worker with
        batch 1 may return several records for one (parts) or none. Raise PictureError to set a picture aside as
        broken (retried on the next run); return a record with `aside` to set it aside by decision (remembered).
        """

    def files_exist(self, records: Sequence[Record], env: Env) -> bool:
        """Whether what a recalled result refers to (a file of ours) is still there; asked before it is used."""
        return "mask" not in self.writes or all(not r.mask or (env.root / r.mask).is_file() for r in records)


class DatasetStage(Stage):
    """Needs all records at once: scan, dedupe, balance, export, train."""

    finishes_steps: ClassVar[bool] = False
    """Whether it asks `env.stopping` between its steps, and finishes the one in hand, as a training does that saves.

    Any other ends at once when the user wants to stop, so it must leave no more behind than a kill would."""

    @abstractmethod
    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """Returns the manifest with changed records; only `writes` may differ."""

    def is_current(self, manifest: Manifest, env: Env, tell: Listener) -> bool:
        """Whether what an earlier run of this stage wrote to disk is still there as it was left; tells where it is.

        Asked with the recalled result before the stage is skipped. Stages that write files override it.
        """
        return True

    def recall_or_run(
        self, manifest: Manifest, recalled: Manifest | None, env: Env, tell: Listener, started: Callable[[], None]
    ) -> Manifest:
        """`recalled`, the known result, where `is_current` says so; else what `run` makes, after a call of `started`.

        A stage overrides it where finding out and running share work.
        """
        if recalled is not None and self.is_current(recalled, env, tell):
            return recalled
        started()
        return self.run(manifest, env, tell)


class CompositeStage(Stage):
    """Has no work of its own: its steps do it one after the other, each keyed and cached apart."""

    @abstractmethod
    def parts(self) -> Sequence[Stage]:
        """The record and dataset stages it is made of."""


def adds_only(stage: type[Stage]) -> bool:
    """Whether a stage's command places no picture: it writes beside them (training), or only prints (inspect)."""
    return stage.read_only or (issubclass(stage, DatasetStage) and not stage.writes and stage.layout == "same")


def picture_stage(stage: type[Stage]) -> bool:
    """Whether a stage makes new pictures."""
    return issubclass(stage, RecordStage | CompositeStage) and "image" in stage.writes
