"""What is looked at while training is really there, and changes no byte of what is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from curate.adapters import safetensors_file
from curate.core.events import Note, Saved, TrainStep, Validated
from curate.errors import InputError
from curate.stages.train import Train
from curate.train.monitor.watch import Interval
from curate.train.storage.paths import home
from tests.train.conftest import draw_folder, run

# diffusers' schedulers hand tensors to numpy in the way of numpy 1
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

SHORT: dict[str, Any] = {"steps": 4, "rank": 2, "layer_preset": "attn-only", "tensorboard": False, "dropout": 0.2}
PROMPTS = "# two pictures\nzwx dog, red --n blue --w 64 --h 72 --d 1 --l 3 --s 2\n\nblue robe --s 2 --w 64 --h 64\n"


def test_looking_changes_no_byte(tmp_path: Path) -> None:
    """Validation, samples and TensorBoard beside dropouts, which draw from the global generator."""
    plain, _ = run(draw_folder(tmp_path / "a" / "prepared"), **SHORT)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(PROMPTS)
    other = draw_folder(tmp_path / "other")
    folder = draw_folder(tmp_path / "b" / "prepared")
    looks = {"validation_folder": str(other), "validate_every_n_steps": 1, "sample_prompts": str(prompts)}
    watched, events = run(
        folder, **{**SHORT, "tensorboard": True, "sample_every_n_steps": 2, "sample_at_start": True, **looks}
    )
    assert watched.read_bytes() == plain.read_bytes()
    measured = [e for e in events if isinstance(e, Validated)]
    assert [(e.step, e.steps) for e in measured] == [(n, 4) for n in range(1, 5)]
    drawn = sorted(p.name for p in (folder / "lora" / "samples").iterdir())
    identity = safetensors_file.read(watched)[1]["curate.run"][:8]
    assert drawn == [f"prepared-{identity}-{step:06d}-{n:02d}.png" for step in (0, 2, 4) for n in (0, 1)]
    assert [e.kind for e in events if isinstance(e, Saved)].count("sample") == 6
    start, end = (Image.open(folder / "lora" / "samples" / drawn[i]) for i in (0, 4))
    assert start.size == (64, 72) and "zwx dog, red" in start.info["parameters"] and "blue" in start.info["parameters"]
    assert (np.asarray(start) != np.asarray(end)).any()
    boards_hold(folder, events)


def boards_hold(folder: Path, events: list[Any]) -> None:
    """TensorBoard's own reader finds what was told."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    command = next(e.message for e in events if isinstance(e, Note) and "tensorboard --logdir" in e.message)
    logs = home(folder) / "logs"
    assert str(logs) in command
    (place,) = logs.iterdir()
    read = EventAccumulator(str(place)).Reload()
    told = [e for e in events if isinstance(e, TrainStep)]
    for name, values in {"loss/step": [e.loss for e in told], "rate": [e.rate for e in told]}.items():
        found = read.Scalars(name)
        assert [s.step for s in found] == [1, 2, 3, 4]
        assert [s.value for s in found] == pytest.approx(values, rel=1e-6)
    measured = [e.loss for e in events if isinstance(e, Validated)]
    assert [s.value for s in read.Scalars("loss/validation")] == pytest.approx(measured, rel=1e-6)
    assert [i.step for i in read.Images("sample/00")] == [0, 2, 4]
    said = read.Tensors("options/text_summary")[0].tensor_proto.string_val[0].decode()
    assert json.loads(said.strip("`\n"))["steps"] == 4


def test_held_out_pictures_are_measured_and_never_trained(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "prepared", each=4)
    options = {**SHORT, "validation": 0.25, "steps": 18}
    path, events = run(folder, **options)
    metadata = safetensors_file.read(path)[1]
    held = json.loads(metadata["ss_dataset_dirs"])
    assert {name: found["img_count"] for name, found in held.items()} == {"1_blue robe": 3, "2_zwx dog": 3}
    losses = [e.loss for e in events if isinstance(e, Validated)]
    # 3 + 6 showings an epoch, and measured after each
    assert len(losses) == 2 and all(0.1 < value < 10 for value in losses)
    # the same noise and timesteps each time: a run that learns nothing measures the same
    _, still = run(folder, **{**options, "learning_rate": 1e-30, "weight_decay": 0})
    same = [e.loss for e in still if isinstance(e, Validated)]
    assert len(same) == 2 and same[0] == same[1] != losses[0]


def test_one_picture_a_concept_leaves_nothing_to_hold_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no concept has a picture to spare"):
        run(draw_folder(tmp_path / "prepared", each=1), **SHORT, validation=0.5)


def test_rhythm() -> None:
    def steps(rhythm: Interval) -> list[int]:
        return [n for n in range(26) if rhythm.is_due(n)]

    assert steps(Interval(0, 0, 10, 25)) == [10, 20, 25]
    assert steps(Interval(0, 2, 10, 25, at_start=True)) == [0, 20, 25]
    assert steps(Interval(8, 0, 10, 25)) == [8, 16, 24, 25]
    assert steps(Interval(8, 1, 10, 25)) == [8, 10, 16, 20, 24, 25]


def test_each_prompt_is_drawn_by_its_own_sampler(folder: Path, tmp_path: Path) -> None:
    """The same prompt and seed: one sampler named twice gives one picture, another another, in whatever order."""
    prompts = tmp_path / "p.txt"
    same = "zwx dog --w 64 --h 64 --d 1 --s 2"
    prompts.write_text(f"{same} --ss ddim\n{same} --ss heun\n{same}\n{same} --ss ddim\n")
    run(folder, **{**SHORT, "steps": 1}, sample_prompts=str(prompts), sample_sampler="heun")
    a, b, c, d = (np.asarray(Image.open(p)) for p in sorted((folder / "lora" / "samples").iterdir()))
    assert (a == d).all() and (b == c).all() and (a != b).any()


def test_sample_prompts_have_weights(folder: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "p.txt"
    flags = "--w 64 --h 64 --d 1 --s 2"
    prompts.write_text(f"zwx dog {flags}\n(zwx dog:1.0) {flags}\nzwx (dog:1.8) {flags}\nzwx [a:b:3] {flags}\n")
    _, events = run(folder, **{**SHORT, "steps": 1}, sample_prompts=str(prompts))
    a, b, c, _ = (np.asarray(Image.open(p)) for p in sorted((folder / "lora" / "samples").iterdir()))
    assert (a == b).all() and (a != c).any()
    [note] = [e.message for e in events if isinstance(e, Note) and "not supported" in e.message]
    assert note == "sample_prompts: [a:b:0.5] is not supported and is read as words: zwx [a:b:3]"


def test_looks_are_not_part_of_what_is_trained() -> None:
    assert Train(sample_prompts="x", sample_sampler="ddim", tensorboard=False).key_options() == Train().key_options()
    assert Train(validation=0.2).key_options() != Train().key_options()
