"""A checkpoint from before dropout and DoRA were wrappers: its values find their places, and training goes on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.diffusion.load import load
from curate.errors import Interrupted
from curate.train.data.dataset import read_dataset
from curate.train.data.job import Context, prepare
from curate.train.loop.loop import Loop
from curate.train.network.build import attach
from curate.train.network.network import Network
from curate.train.options import TrainOptions
from tests.train.conftest import PlainPictures, draw_folder

CHECKPOINT = Path(__file__).parent / "before_wrappers.pt"
"""Written by `train_to(…, stop=2)` with the adapters of commit be22da8; `final` are the weights after 4 steps."""
STEPS = 4
OPTIONS: dict[str, Any] = {
    "resolution": 64,
    "steps": STEPS,
    "rank": 2,
    "text_lr": 0.0,
    "dora": True,
    "scalar": True,
    "dropout": 0.1,
    "rank_dropout": 0.1,
    "module_dropout": 0.1,
    "include": ("up_blocks_3_attentions_2_transformer_blocks_0_attn1",),
    "layers": ("to_k=lokr", "to_v=loha"),
}


def train_to(folder: Path, state: Path, stop: int = STEPS) -> Network:
    """The network after a run from the newest checkpoint in `state` to a step; one is written where it stops."""
    options, calls = TrainOptions(**OPTIONS), count()
    context = Context(folder, PlainPictures().read, torch.device("cpu"), True, lambda event: None, lambda: False)
    job = prepare(options, read_dataset(folder), load("tiny", True), context)
    network = attach(options, job.backbone)
    loop = Loop(job, network, replace(context, stopping=lambda: next(calls) >= stop), state)
    try:
        loop.run()
    except Interrupted:
        assert stop < STEPS
    return network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_folder(tmp_path / "prepared", each=1)


def test_names_and_order_are_those_of_before(folder: Path, tmp_path: Path) -> None:
    before = torch.load(CHECKPOINT, weights_only=True)
    train_to(folder, tmp_path, stop=2)
    (written,) = tmp_path.glob("*.pt")
    after = torch.load(written, weights_only=True)
    assert list(after["parameters"]) == list(before["parameters"])
    assert sum(name.endswith("/dora_scale") for name in before["parameters"]) == 4
    # an optimizer knows parameters by their number alone
    states = [content["optimizer"]["state"] for content in (before, after)]
    assert list(states[0]) == list(states[1]) == list(range(len(before["parameters"])))
    for theirs, ours in zip(*(state.values() for state in states), strict=True):
        torch.testing.assert_close(ours["exp_avg"], theirs["exp_avg"], rtol=1e-3, atol=1e-6)


def test_training_goes_on_from_it(folder: Path, tmp_path: Path) -> None:
    shutil.copy(CHECKPOINT, tmp_path / "step-00000002.pt")
    went_on = dict(train_to(folder, tmp_path).named_parameters())
    final = torch.load(CHECKPOINT, weights_only=True)["final"]
    assert list(went_on) == list(final)
    # other processors round otherwise; on the same one the bytes are equal
    for name, value in final.items():
        torch.testing.assert_close(went_on[name], value, rtol=1e-4, atol=1e-6)
