"""Opened: which folder `curate review` shows, and with which base model its captions will be trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.core.summary_file import planned_training
from curate.errors import InputError

if TYPE_CHECKING:
    from curate.pipeline import Pipeline


def opened(target: Path, base: str = "") -> tuple[Path, str, str]:
    """The folder, the base model and the tokenizer of its training: by a pipeline file, else by its last training.

    A folder that was not trained yet has those of the pipeline that prepared it. A `base` that is given counts before
    all of them. Raises InputError where it is none, and MissingError where it is not on this machine.
    """
    folder, planned, tokenizer = _planned(target)
    if not base:
        return folder, planned, tokenizer
    from curate.diffusion.locate import locate_base

    locate_base(base, offline=True)
    return folder, base, ""


def _planned(target: Path) -> tuple[Path, str, str]:
    if target.is_file():
        if target.suffix.lower() not in (".yaml", ".yml"):
            remedy = "give the folder with the pictures; one in an archive is unpacked first, by you or by a run"
            raise InputError(f"{target} is no folder and no pipeline file", remedy)
        return _by_pipeline(target)
    from curate.train.output.run_records import runs_of

    runs = runs_of(target) if target.is_dir() else []
    options: Mapping[str, Any] = runs[-1].options if runs else planned_training(target)
    return target, str(options.get("base") or ""), str(options.get("tokenizer") or "")


def _by_pipeline(file: Path) -> tuple[Path, str, str]:
    from curate.pipeline import load

    pipeline = load(file)
    if not pipeline.output.is_dir():
        raise InputError(f"{pipeline.output} does not exist yet", f"run `curate run {file}` first")
    return of_pipeline(pipeline)


def of_pipeline(pipeline: Pipeline) -> tuple[Path, str, str]:
    """The output folder of a pipeline, the base model and the tokenizer of its training."""
    from curate.stages.train import Train

    train = next((stage for stage in pipeline.stages if isinstance(stage, Train)), None)
    if train is None:
        return pipeline.output, "", ""
    values = train.model_dump()
    return pipeline.output, str(values.get("base") or ""), str(values.get("tokenizer") or "")
