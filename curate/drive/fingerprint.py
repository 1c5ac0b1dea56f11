"""Fingerprint: one digest of all that the outcome of a run depends on, so that an unchanged run is known as a whole."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cleaners
import curate
import taggers
from curate.core.digests import CLOCK_GRAIN, FileDigests
from curate.core.files import digest_plain
from curate.core.path_options import path_option
from curate.core.runner import identity
from curate.core.stage import DatasetStage, Env, RecordStage, Stage
from curate.core.store import LEDGER, SUMMARY, ledger_place
from curate.core.trees import TreeDigest
from curate.errors import CurateError
from curate.pipeline import Pipeline

_REWRITTEN = ("ledger.sqlite", "lock", "events.jsonl", SUMMARY)
"""How the names of files in the ledger folder start that each run changes, or that a run's lock leaves behind."""


def fingerprint(
    pipeline: Pipeline, env: Env, digests: FileDigests, listings: Sequence[str] = (), *, pauses: bool = False
) -> str | None:
    """The program, the pipeline, models, and every file of input and output by name, size and times.

    `listings` are digests of what stores list of the addresses in the pipeline. With `pauses` the run is a part of a
    command. None where all this does not decide what a run does, or where a file is so young that it could change again
    unseen. What the ledger holds is not in it: the ledger itself forgets a run as soon as it is written to.
    """
    stages = (*pipeline.stages, *pipeline.later)
    if not all(is_decided(part) for stage in pipeline.stages for part in stage.parts()):
        return None
    begun = time.time_ns()
    try:
        said = [_said(stage) for stage in stages]
        models = [identity(part, env, digests) for stage in pipeline.stages for part in stage.parts()]
    except CurateError:
        return None  # the run says what is missing, in its own place
    tree = TreeDigest(env.stopping)
    _add_program(tree, stages)
    for path in sorted(_path_options(stages)):
        tree.add_file(path)
    _add_inputs(tree, [one for one in pipeline.input if isinstance(one, Path)], pipeline.output)
    ledger = str(env.root)
    tree.add_tree(env.output, lambda folder, name: folder == ledger and name.startswith(_REWRITTEN))
    if begun - tree.newest <= CLOCK_GRAIN:
        return None
    options = pipeline.model_dump(mode="json", exclude={"stages", "later", "captions", "origins"})
    captions = dataclasses.asdict(pipeline.captions)
    around = [sys.version, env.device, env.require_gpu, env.offline, getattr(os, "geteuid", int)(), pauses]
    return digest_plain([options, captions, said, models, around, _texts(env.training), *listings, tree.hex()])


def is_decided(stage: Stage) -> bool:
    """Whether files that we look at decide what a known stage does: what it overrides may look elsewhere."""
    if stage.within_output:
        return True
    own = {name for kind in type(stage).__mro__ if kind not in (RecordStage, DatasetStage) for name in vars(kind)}
    return own.isdisjoint({"files_exist", "is_current", "recall_or_run"})


def _said(stage: Stage) -> list[Any]:
    kind = type(stage)
    return [kind.__module__, kind.__qualname__, stage.version, stage.model_dump(mode="json")]


def _texts(values: Mapping[str, Any]) -> list[str]:
    return sorted(f"{name}={value!r}" for name, value in values.items())


def _add_program(tree: TreeDigest, stages: Sequence[Stage]) -> None:
    """Our own files, and those of plug-ins: another version may do another thing with the same options."""
    for package in (curate, taggers, cleaners):
        for place in package.__path__:
            tree.add_tree(Path(place), lambda _, name: name == "__pycache__")
    for module in sorted({type(part).__module__ for stage in stages for part in (stage, *stage.parts())}):
        if (file := getattr(sys.modules.get(module), "__file__", None)) is not None:
            tree.add_file(Path(file))


def _path_options(stages: Sequence[Stage]) -> Iterator[Path]:
    """The files and folders that options name; names of models are no files, and their digests stand apart."""
    for stage in stages:
        for name, info in type(stage).model_fields.items():
            if path_option(info) is not None:
                value = getattr(stage, name)
                for one in value if isinstance(value, tuple | list) else (value,):
                    if isinstance(one, str | Path) and str(one):
                        yield Path(one)


def _add_inputs(tree: TreeDigest, inputs: Sequence[Path], output: Path) -> None:
    """The inputs, and the ledgers that folders in them have elsewhere because they cannot be written to."""

    def add_ledger(folder: str) -> None:
        place = ledger_place(Path(folder))
        if place != Path(folder):
            for ending in ("", "-wal"):
                tree.add_file(place / LEDGER / f"ledger.sqlite{ending}")

    for top in inputs:
        if top.is_dir():
            tree.add_tree(top, skip=[output], visit=add_ledger)
        else:
            tree.add_file(top)  # an archive
