"""Every algorithm and objective learns: one fixed batch, noise and timesteps, at half its loss within 200 steps."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.diffusion.base import Backbone
from curate.diffusion.load import LoadOptions, load
from curate.train.data.dataset import read_dataset
from curate.train.data.job import Context, prepare
from curate.train.data.order import Showing
from curate.train.loop.loop import Loop
from curate.train.network.build import attach
from curate.train.options import TrainOptions
from tests.train.conftest import PlainPictures, draw_folder

COMMON: dict[str, Any] = {"resolution": 64, "bucket_step": 64, "learning_rate": 1e-2, "rank": 8, "layer_preset": "full"}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "lora": {},
    "locon": {"algo": "locon", "conv_rank": 8, "conv_alpha": 8},
    "loha": {"algo": "loha"},
    "lokr": {"algo": "lokr", "factor": 4},
    "full": {"algo": "full", "rank": None, "learning_rate": 2e-3},
}
OTHERS: dict[str, dict[str, Any]] = {
    "dylora": {"algo": "dylora"},
    "glora": {"algo": "glora"},
    "ia3": {"algo": "ia3", "rank": None},
    "diag-oft": {"algo": "diag-oft"},
    "boft": {"algo": "boft"},
}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "v": {"prediction": "v"},
    "v-ztsnr": {"prediction": "v", "ztsnr": True},
    "scale-v": {"prediction": "v", "scale_v": True},
    "v-min-snr": {"prediction": "v", "min_snr": 5},
    "min-snr": {"min_snr": 5},
    "debiased": {"debiased": True},
    "p2": {"p2": 1},
    "v-like": {"v_like": 0.5},
    "huber": {"loss": "huber"},
    "smooth-l1": {"loss": "smooth-l1", "huber_schedule": "exponential"},
    "noise-offset": {"noise_offset": 0.1, "adaptive_noise": 0.05},
    "multires": {"multires_steps": 6},
    "ip-noise": {"ip_noise": 0.1},
}


@functools.cache
def base() -> Backbone:
    return load("tiny", True, LoadOptions())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("learning") / "prepared", each=1)


@pytest.mark.parametrize("given", [*ALGORITHMS.values(), *OBJECTIVES.values()], ids=[*ALGORITHMS, *OBJECTIVES])
def test_loss_halves(given: dict[str, Any], place: Path, tmp_path: Path) -> None:
    first, last = learned(given, place, tmp_path, share=0.5, most=200)
    assert last < first / 2


@pytest.mark.parametrize("given", OTHERS.values(), ids=OTHERS)
def test_loss_falls(given: dict[str, Any], place: Path, tmp_path: Path) -> None:
    first, last = learned(given, place, tmp_path, share=0.9, most=200)
    assert last < 0.9 * first


def learned(given: dict[str, Any], place: Path, state: Path, share: float, most: int) -> tuple[float, float]:
    """The loss of one batch at the start, and once it is below this share of it or so many steps are done."""
    options = TrainOptions(**COMMON | given)
    context = Context(place, PlainPictures().read, torch.device("cpu"), True, lambda event: None, lambda: False)
    job = prepare(options, read_dataset(place), base(), context)
    network = attach(options, base())
    try:
        loop = Loop(job, network, context, state)
        batch = loop.batches.make([Showing(0, repeat, 0) for repeat in range(2)])
        first = last = float(loop.losses(batch).detach().mean())
        for _ in range(most):
            if last < first * share:
                break
            loss = loop.losses(batch).mean()
            loss.backward()
            loop.optimizer.step()
            loop.optimizer.zero_grad(set_to_none=True)
            last = float(loss.detach())
    finally:
        network.detach()
    return first, last
