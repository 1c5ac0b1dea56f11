"""A step reads nothing back from the device: what does, makes a GPU wait."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from curate.diffusion.base import Backbone
from curate.diffusion.load import LoadOptions, load
from curate.train.data.dataset import read_dataset
from curate.train.data.job import Context, prepare
from curate.train.loop.loop import Loop
from curate.train.network.build import attach
from curate.train.options import TrainOptions
from tests.train.conftest import PlainPictures, draw_folder

READ_BACK = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "unique")


class Reads(TorchDispatchMode):
    """Counts the operations whose result the host has to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().removeprefix("aten::").split(".")[0]
        if name in READ_BACK or name.startswith("_unique"):
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


@functools.cache
def base() -> Backbone:
    return load("tiny", True, LoadOptions())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("waits") / "prepared", each=1)


def counted(place: Path, state: Path, **given: Any) -> Counter[str]:
    """What two steps read back, after one that makes what is kept."""
    common: dict[str, Any] = {
        "resolution": 64,
        "bucket_step": 64,
        "rank": 2,
        "layer_preset": "unet-transformer-only",
        "steps": 3,
    }
    options = TrainOptions(**{**common, **given})
    context = Context(place, PlainPictures().read, torch.device("cpu"), True, lambda event: None, lambda: False)
    backbone = base()
    job = prepare(options, read_dataset(place), backbone, context)
    network = attach(options, backbone)
    try:
        loop = Loop(job, network, context, state)
        (first, _, shown), *others = job.order.steps(0, 3)
        loop.step(first, shown)
        with Reads() as reads:
            for number, _, batches in others:
                loop.step(number, batches)
    finally:
        network.detach()
    return reads.found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"algo": "loha", "min_snr": 5.0, "loss": "huber"},
        {"algo": "lokr", "rank": None, "module_dropout": 0.2},
        {"scale_weight_norms": 1.0, "accumulate": 2, "dora": True},
    ],
    ids=["lora", "loha", "lokr", "norms"],
)
def test_a_step_reads_nothing_back(place: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    assert not counted(place, tmp_path, **options)


def test_reading_back_would_be_seen(place: Path, tmp_path: Path) -> None:
    """DyLoRA asks for the rank it trains, which is drawn on the CPU."""
    assert counted(place, tmp_path, algo="dylora", dylora_unit=1)["_local_scalar_dense"]
