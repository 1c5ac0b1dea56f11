"""Every optimiser and every schedule through the loop itself: five steps, and the same bits when stopped after two."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.core.events import Event, TrainStep
from curate.diffusion.load import load
from curate.errors import Interrupted
from curate.train.data.dataset import read_dataset
from curate.train.data.job import Context, Job, prepare
from curate.train.loop.loop import Loop
from curate.train.network.build import attach
from curate.train.options import OPTIMIZERS, TrainOptions
from curate.train.options.optimizer import OWN_SCHEDULE, finds_rate
from tests.train.conftest import PlainPictures, draw_folder

SCHEDULES = ("constant", "constant-with-warmup", "linear", "cosine", "cosine-restarts", "polynomial")
FURTHER = {"cosine-restarts": {"cycles": 2}, "polynomial": {"power": 2.0}}
STEPS, STOP = 5, 2
# one late layer: what is proved hangs on optimiser and schedule alone, and a step is quick
SHORT: dict[str, Any] = {
    "resolution": 64,
    "rank": 256,  # what has fewer than 4,096 numbers keeps its state in 32 bits
    "steps": STEPS,
    "text_lr": 0.0,
    "dropout": 0.1,
    "include": ("up_blocks_3_attentions_2_transformer_blocks_0_attn1",),
}


def cases() -> Iterator[tuple[str, str]]:
    """Every optimiser once and every schedule at least once."""
    schedules = cycle(SCHEDULES)
    for name in OPTIMIZERS:
        yield name, "constant" if name in OWN_SCHEDULE else next(schedules)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = draw_folder(tmp_path_factory.mktemp("each") / "prepared", each=1)
    return prepare(TrainOptions(**SHORT), read_dataset(folder), load("tiny", True), context(folder))


def context(
    folder: Path, tell: Callable[[Any], None] = lambda event: None, stopping: Callable[[], bool] = lambda: False
) -> Context:
    return Context(folder, PlainPictures().read, torch.device("cpu"), True, tell, stopping)


def run(job: Job, state: Path, stop: Callable[[], bool] = lambda: False) -> tuple[dict[str, torch.Tensor], list[float]]:
    """The weights after a run to its end or to a stop, and the rates of its steps."""
    rates: list[float] = []

    def tell(event: Event) -> None:
        if isinstance(event, TrainStep):
            rates.append(event.rate)

    network = attach(job.options, job.backbone)
    try:
        loop = Loop(job, network, context(state, tell, stop), state)
        try:
            loop.run()
        except Interrupted:
            assert loop.state.step == STOP
        return {name: p.detach().clone() for name, p in network.named_parameters()}, rates
    finally:
        network.detach()


@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU:UserWarning")
@pytest.mark.parametrize(("optimizer", "schedule"), list(cases()))
def test_five_steps_and_two_and_three(optimizer: str, schedule: str, job: Job, tmp_path: Path) -> None:
    if "8bit" in optimizer and importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes is not installed")
    given = {"learning_rate": 1.0 if finds_rate(optimizer) else 1e-2, **FURTHER.get(schedule, {})}
    mine = replace(job, options=TrainOptions(**SHORT, optimizer=optimizer, schedule=schedule, **given))  # type: ignore[arg-type]
    start, _ = run(replace(mine, steps=0), tmp_path / "none")
    whole, rates = run(mine, tmp_path / "whole")
    assert len(rates) == STEPS and any(not torch.equal(whole[name], start[name]) for name in start)
    asked = count()
    half, before = run(mine, tmp_path / "parts", lambda: next(asked) >= STOP)
    assert any(not torch.equal(whole[name], half[name]) for name in half)
    ended, after = run(mine, tmp_path / "parts")
    assert before + after == rates
    assert all(torch.equal(whole[name], ended[name]) for name in whole)


def test_nothing_is_left_out() -> None:
    assert {name for name, _ in cases()} == set(OPTIMIZERS)
    assert {schedule for _, schedule in cases()} == set(SCHEDULES)
