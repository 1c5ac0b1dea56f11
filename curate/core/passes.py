"""Passes: stages split into their steps, and consecutive steps that write pictures joined into one pass."""

from __future__ import annotations

from collections.abc import Sequence

from curate.core.chain import Encode
from curate.core.stage import DatasetStage, RecordStage, Stage
from curate.errors import InputError


def passes(stages: Sequence[Stage]) -> list[DatasetStage | list[RecordStage]]:
    """The steps of all stages; consecutive ones that write pictures form a pass, ended by one encoding."""
    groups: list[DatasetStage | list[RecordStage]] = []
    fusing: list[RecordStage] = []

    def close() -> None:
        if fusing:
            groups.append([*fusing, Encode()])
            fusing.clear()

    for step in (step for stage in stages for step in stage.parts()):
        if isinstance(step, RecordStage) and "image" in step.writes and step.requirements().gpus == 0:
            fusing.append(step)
            continue
        close()
        if isinstance(step, DatasetStage):
            groups.append(step)
        elif isinstance(step, RecordStage):
            groups.append([step, Encode()] if "image" in step.writes else [step])
        else:
            raise InputError(f"{step.name} is neither a record stage nor a dataset stage")
    close()
    return groups
