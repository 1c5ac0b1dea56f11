"""The end of a run: the LoRA is on the disk before the last pictures are drawn, and drawing stops on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate.adapters import safetensors_file
from curate.core.events import Event, Saved, TrainStep, Validated
from curate.core.record import Manifest
from curate.errors import Interrupted
from curate.stages.train import Train
from curate.train.storage.paths import home
from tests.train.conftest import draw_folder, env_of, run

# diffusers' schedulers hand tensors to numpy in the way of numpy 1
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
SHORT: dict[str, Any] = {"base": "tiny", "steps": 2, "rank": 1, "layer_preset": "attn-only", "tensorboard": False}


def prompts_of(tmp_path: Path, steps: int) -> str:
    path = tmp_path / "prompts.txt"
    path.write_text(f"zwx dog --w 64 --h 64 --s {steps}\nblue robe --w 64 --h 64 --s {steps}\n")
    return str(path)


class Stop:
    """Asks to stop from the n-th question on that is put after a step of the run was told."""

    def __init__(self, step: int, after: int) -> None:
        self.step, self.after, self.asked, self.counts = step, after, 0, False
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.counts = self.counts or (isinstance(event, TrainStep) and event.step == self.step)

    def __call__(self) -> bool:
        self.asked += self.counts
        return self.asked > self.after


def trained(folder: Path, stop: Stop, **options: Any) -> None:
    Train(**SHORT, **options).run(Manifest(), env_of(folder, stop), stop.tell)


def test_the_lora_is_written_before_the_last_pictures(folder: Path, tmp_path: Path) -> None:
    _, events = run(folder, **SHORT, sample_prompts=prompts_of(tmp_path, 2))
    kinds = [event.kind for event in events if isinstance(event, Saved)]
    assert kinds == ["lora", "sample", "sample"]


def test_stopping_takes_effect_between_the_steps_of_a_sampler(folder: Path, tmp_path: Path) -> None:
    stop = Stop(step=1, after=3)
    with pytest.raises(Interrupted, match="stopped at step 1 of 2"):
        trained(folder, stop, sample_prompts=prompts_of(tmp_path, 500), sample_every_n_steps=1)
    assert stop.asked < 10  # of 1000 steps that two pictures take
    assert not (folder / "lora" / "samples").exists()
    assert [p.name for p in home(folder).glob("*/step-*.pt")] == ["step-00000001.pt"]
    path, _ = run(folder, **SHORT, sample_prompts=prompts_of(tmp_path, 1))
    plain, _ = run(draw_folder(tmp_path / "other" / "prepared"), **SHORT)
    assert path.read_bytes() == plain.read_bytes()


def test_stopping_at_the_last_pictures_loses_nothing(folder: Path, tmp_path: Path) -> None:
    stop = Stop(step=2, after=3)
    trained(folder, stop, sample_prompts=prompts_of(tmp_path, 500))
    [path] = (folder / "lora").glob("*.safetensors")
    assert safetensors_file.read(path)[1]["ss_steps"] == "2"
    assert not list(home(folder).glob("*/step-*.pt")) and stop.asked < 10


def test_stopping_takes_effect_between_pictures_that_are_measured(folder: Path, tmp_path: Path) -> None:
    other = draw_folder(tmp_path / "validation", each=8)
    stop = Stop(step=1, after=2)
    with pytest.raises(Interrupted, match="stopped at step 1 of 2"):
        trained(folder, stop, validation_folder=str(other), validate_every_n_steps=1)
    assert stop.asked < 10 and not any(isinstance(e, Validated) for e in stop.events)
