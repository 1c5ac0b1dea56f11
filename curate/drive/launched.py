"""The further processes that a launcher starts: they train beside the first one and leave all else to it."""

from __future__ import annotations

from pathlib import Path

from curate.core.record import Manifest
from curate.core.stage import DatasetStage, Stage
from curate.drive.process_state import stop_signals
from curate.drive.session import Result, env_over, silent
from curate.errors import InputError
from curate.pipeline import RunOptions
from curate.train.runtime import distributed


def is_further_process() -> bool:
    """Whether this is a further process of a launcher."""
    return distributed.rank() > 0


def take_part(stage: Stage, target: Path, options: RunOptions) -> Result:
    """Takes part in training; of any other stage there is nothing to do. It neither locks nor writes."""
    if isinstance(stage, DatasetStage) and stage.distributed:
        with stop_signals() as stop:
            stage.run(Manifest(), env_over(target, target, options, {}, None, stop), silent)
    return Result({"aside": 0}, Manifest())


def require_single_process(what: str) -> None:
    """Raises InputError where a launcher started several processes for what only one can do."""
    if distributed.size() > 1:
        raise InputError(
            f"{what} is done by one process, and a launcher started {distributed.size()}",
            "prepare with `curate run PIPELINE --until export`, then launch `curate train FOLDER`",
        )
