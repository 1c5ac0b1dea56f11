"""Early start: worker processes begin to load while the command line itself is still being loaded.

Loading what reads pictures takes a process as long as loading a command takes the driver. What a stage needs stands in
its file, and is read there without importing it. A wrong guess costs a process that ends with the program.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
from collections.abc import Sequence
from pathlib import Path

_ON_CORES = re.compile(r"^    resources: ClassVar\[Resources\] = Resources\(cpus=1\)$", re.MULTILINE)
_DOES_NO_WORK = frozenset({"-h", "--help", "--help-all", "--print-config"})


def start_early(arguments: Sequence[str]) -> None:
    """Starts the processes that a stage's command will want, where its arguments look like enough work for them."""
    if not arguments or not _is_spread(arguments[0]) or not _DOES_NO_WORK.isdisjoint(arguments):
        return
    folders = [Path(argument) for argument in arguments[1:] if os.path.isdir(argument)]  # noqa: PTH112 – any text
    if not folders:
        return
    from curate.executors.pool import POOL

    with contextlib.suppress(OSError):  # whoever needs a process starts it again, and says what is wrong
        POOL.start([f"curate.stages.{_module(arguments[0])}"], folders[:1], folders, _workers(arguments))


def _module(stage: str) -> str:
    return stage.replace("-", "_")


def _is_spread(stage: str) -> bool:
    """Whether a stage that curate carries says that it wants a core for each picture."""
    if not stage.replace("-", "").isalpha():
        return False
    spec = importlib.util.find_spec("curate.stages")
    [folder] = (spec and spec.submodule_search_locations) or [""]
    try:
        return _ON_CORES.search(Path(folder, f"{_module(stage)}.py").read_text(encoding="utf-8")) is not None
    except OSError:
        return False


def _workers(arguments: Sequence[str]) -> str:
    """What `--workers` says."""
    for argument, following in zip(arguments, (*arguments[1:], ""), strict=True):
        if argument == "--workers":
            return following
        if argument.startswith("--workers="):
            return argument.partition("=")[2]
    return "auto"
