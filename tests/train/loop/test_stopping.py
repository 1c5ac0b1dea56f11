"""Ctrl-C and SIGTERM: every phase of training asks, and ends within seconds; nothing that is finished is lost.

`pytest -s` prints how long each phase took to end. The limit is generous: on an idle machine it is a fraction of it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from curate.core.digests import FileDigests
from curate.core.events import Event, Phase, TrainStep
from curate.core.record import Manifest
from curate.errors import Interrupted
from curate.stages.train import Train
from curate.train.storage.paths import home
from tests.train.conftest import draw_folder, env_of, run

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
LIMIT = 20.0
SHORT: dict[str, Any] = {"base": "tiny", "steps": 3, "rank": 1, "layer_preset": "attn-only", "tensorboard": False}


class Stop:
    """Asks to stop from the first event on that fits; `asked_at` is when, `questions` how often it was asked since."""

    def __init__(self, task: str, step: int = 0) -> None:
        self.task, self.step, self.asked_at, self.questions = task, step, 0.0, 0

    def tell(self, event: Event) -> None:
        fits = isinstance(event, Phase) and event.task == self.task
        fits = fits or (isinstance(event, TrainStep) and bool(self.step) and event.step == self.step)
        if fits and not self.asked_at:
            self.asked_at = time.perf_counter()

    def __call__(self) -> bool:
        self.questions += bool(self.asked_at)
        return bool(self.asked_at)


PHASES: dict[str, tuple[Stop, dict[str, Any]]] = {
    "loading": (Stop("loading the base model"), {}),
    "encoding": (Stop("encoding pictures"), {}),
    "sampling": (Stop("drawing sample pictures"), {"sample_every_n_steps": 1}),
    "a step of many batches": (Stop("", step=1), {"accumulate": 16, "batch": 1, "epochs": 3, "steps": None}),
}


@pytest.mark.parametrize("phase", PHASES)
def test_each_phase_ends_soon(phase: str, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "prepared", each=12)
    stop, options = PHASES[phase]
    given = {**SHORT, **options}
    if phase == "sampling":
        (tmp_path / "p.txt").write_text("dog --w 64 --h 64 --s 1000\n", encoding="utf-8")
        given["sample_prompts"] = str(tmp_path / "p.txt")
    with pytest.raises(Interrupted):
        Train.build(given).run(Manifest(), env_of(folder, stop), stop.tell)
    seconds = time.perf_counter() - stop.asked_at
    print(f"\n{phase}: ended after {seconds:.2f} s and {stop.questions} questions")
    assert seconds < LIMIT and stop.questions <= 3


def test_a_step_that_was_left_is_made_anew(tmp_path: Path) -> None:
    many: dict[str, Any] = {**SHORT, "steps": 4, "accumulate": 8, "batch": 1}
    folder = draw_folder(tmp_path / "prepared", each=8)
    stop = Stop("", step=2)
    with pytest.raises(Interrupted, match=r"stopped at step [23] of 4"):
        Train.build({**many, "save_precision": "fp32"}).run(Manifest(), env_of(folder, stop), stop.tell)
    assert len(list(home(folder).glob("*/step-*.pt"))) == 1
    again, _ = run(folder, **many)
    whole, _ = run(draw_folder(tmp_path / "other" / "prepared", each=8), **many)
    assert again.read_bytes() == whole.read_bytes()


def test_reading_a_large_file_can_be_stopped(tmp_path: Path) -> None:
    file = tmp_path / "base.safetensors"
    with file.open("wb") as f:
        f.truncate(100 << 20)
    asked: list[int] = []

    def stopping() -> bool:
        asked.append(1)
        return len(asked) == 2

    with pytest.raises(Interrupted):
        FileDigests(stopping=stopping).of(file)
    assert len(asked) == 2
    assert FileDigests().of(file) == FileDigests(stopping=lambda: False).of(file)
