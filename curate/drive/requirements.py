"""Requirements: everything that a run will need is looked for before the first picture is touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from curate.core.stage import Env, Missing, Stage
from curate.errors import MissingError

ROOM = 1 << 20
"""Bytes that must be free where a run writes; less holds not even the ledger."""


def check_requirements(stages: Sequence[Stage], env: Env, *, writes: bool = True) -> None:
    """Raises MissingError that names all that is missing, each with its remedy.

    `writes`: pictures are written to `env.output`. Stages that write elsewhere look at that place themselves.
    """
    output = _output(env.output) if writes else ()
    # two stages may need the same file
    lacks = list(dict.fromkeys([*output, *(lack for stage in stages for lack in stage.missing(env))]))
    if len(lacks) == 1:
        raise MissingError(lacks[0].message, lacks[0].remedy)
    if lacks:
        lines = [f"- {lack.message}" + (f"\n    {lack.remedy}" if lack.remedy else "") for lack in lacks]
        raise MissingError(f"{len(lacks)} things are missing:\n" + "\n".join(lines), "nothing was changed")


def _output(output: Path) -> Iterator[Missing]:
    place = next(p for p in (output, *output.parents) if p.exists())
    if not place.is_dir():
        yield Missing(f"cannot write to {output}: {place} is a file", "choose another output folder")
    elif not os.access(place, os.W_OK | os.X_OK):
        yield Missing(f"cannot write to {output}: no permission to write to {place}", "choose another output folder")
    elif _is_full(place):
        yield Missing(f"the disk is full where {output} is to be", "free some space, or choose another output folder")


def _is_full(place: Path) -> bool:
    disk = shutil.disk_usage(place)
    # file systems of the kernel have no size
    return disk.total > 0 and disk.free < ROOM
