"""The course of a run: one place works it out for --print-config and for training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from curate.core.events import TrainStep
from curate.train.data.buckets import fit
from curate.train.data.dataset import Picture
from curate.train.data.order import Order
from curate.train.data.run_plan import outline
from curate.train.options import TrainOptions
from curate.train.planning.explain import findings
from tests.train.conftest import draw_folder, run

SIZES = [(128, 128), (192, 96)]


def pictures(*sides: tuple[int, int], repeats: int = 1, reg: bool = False) -> list[Picture]:
    return [Picture(Path(f"{i}.png"), "dog", repeats, "a dog", str(i), *s, reg=reg) for i, s in enumerate(sides)]


@pytest.mark.parametrize(("steps", "batch", "showings"), [(3, 1, 3), (27, 1, 27), (40, 1, 40), (4, 8, 27), (5, 8, 35)])
def test_the_showings_of_a_run_are_counted_step_by_step(steps: int, batch: int, showings: int) -> None:
    order = Order(["dog"] * 27, [1] * 27, batch=batch, accumulate=1, seed=1)
    # 27 pictures in batches of 8 are 8, 8, 8 and 3: four steps an epoch
    assert steps == 5 or order.showings(steps) == showings
    counted = sum(len(b) for _, _, batches in order.steps(0, steps) for b in batches)
    assert order.showings(steps) == counted


def test_regularisation_is_shown_as_often_as_the_concepts_and_what_is_too_much_is_counted() -> None:
    own, reg = pictures((128, 128), (190, 100), repeats=2), pictures(*[(128, 128)] * 6, reg=True)
    made = outline(TrainOptions(epochs=2), [*own, *reg], [fit(p.width, p.height, SIZES) for p in [*own, *reg]])
    assert (made.own, made.hidden) == (2, 2)
    assert made.shapes == {(128, 128): 7, (192, 96): 1}
    assert made.order.showings_per_epoch == 8
    assert (made.steps, made.epochs, made.showings) == (16, 2, 16)


@pytest.mark.parametrize(
    "options",
    [{"steps": 3}, {"epochs": 1, "batch": 2}, {"showings": 2, "accumulate": 3}, {"steps": 2, "validation": 0.4}],
)
def test_what_is_printed_is_what_is_trained(tmp_path: Path, options: dict[str, int]) -> None:
    folder = draw_folder(tmp_path / "prepared", each=3)
    printed = findings(TrainOptions(**options), folder, options, torch.device("cpu")).data["length"]
    _, events = run(folder, rank=1, tensorboard=False, **options)
    last = [e for e in events if isinstance(e, TrainStep)][-1]
    assert printed["steps"] == last.steps == last.step


def test_a_run_shorter_than_its_epoch_says_how_little_is_shown(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "prepared", each=9)  # 18 pictures, 27 showings an epoch
    found = findings(TrainOptions(steps=3), folder, ("steps",), torch.device("cpu"))
    assert any("3 of the 27 steps of 1 epoch are" in line and "shown 0.17 times" in line for line in found.closing)
