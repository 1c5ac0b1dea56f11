"""What the report tells of a training is read from the folder that it was done in."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from PIL import Image, PngImagePlugin

from curate.report.training_run import TrainingRun, changed_options, training_runs
from curate.train.options import TrainOptions
from curate.train.output.run_records import keyed

IDS = ("0123456789abcdef", "fedcba9876543210")


def trained(folder: Path, run: str = IDS[0], when: int = 1_900_000_000, **options: object) -> Path:
    """A finished run with a LoRA, as the trainer leaves it."""
    lora = folder / "lora" / f"{run}.safetensors"
    lora.parent.mkdir(parents=True, exist_ok=True)
    lora.write_bytes(run.encode())
    state = folder / ".curate/train" / run / "run.json"
    state.parent.mkdir(parents=True)
    values = {
        "id": run,
        "file": f"lora/{lora.name}",
        "sha256": hashlib.sha256(lora.read_bytes()).hexdigest(),
        "options": keyed(TrainOptions.build(options)),
    }
    state.write_text(json.dumps(values), encoding="utf-8")
    for path in (lora, state):
        os.utime(path, (when, when))
    return lora


def sample(folder: Path, step: int, number: int, prompt: str, run: str = IDS[0], more: str = "") -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("parameters", f"{prompt}\nNegative prompt: bad\nSteps: 6, CFG: 7")
    path = folder / "lora/samples" / f"dog-{run[:8]}-{step:06d}-{number:02d}{more}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, pnginfo=text)


def latest_run(folder: Path) -> TrainingRun | None:
    runs = training_runs(folder)
    return runs[-1] if runs else None


def test_nothing_was_trained(tmp_path: Path) -> None:
    assert latest_run(tmp_path) is None


def test_base_file_date_and_settings(tmp_path: Path) -> None:
    lora = trained(tmp_path, base="tiny", algo="lokr", steps=40, optimizer_args=("betas=(0.8, 0.9)", "eps=1e-6"))
    run = latest_run(tmp_path)
    assert run is not None
    assert (run.base, run.loras, run.finished) == ("tiny", (lora,), True)
    assert run.date == time.strftime("%Y-%m-%d %H:%M", time.localtime(1_900_000_000))
    assert run.settings == {"algo": "lokr", "steps": "40", "optimizer_args": "betas=(0.8, 0.9), eps=1e-6"}


def test_the_latest_run_counts(tmp_path: Path) -> None:
    trained(tmp_path, IDS[0], 1_900_000_000, rank=4)
    trained(tmp_path, IDS[1], 1_800_000_000, rank=5)
    run = latest_run(tmp_path)
    assert run is not None and run.settings == {"rank": "4"}


def test_samples_by_prompt_and_step(tmp_path: Path) -> None:
    trained(tmp_path)
    sample(tmp_path, 40, 0, "a dog\nin two lines")
    sample(tmp_path, 20, 1, "a robe")
    sample(tmp_path, 20, 0, "a dog\nin two lines", more="-2")
    sample(tmp_path, 20, 0, "of another run", run=IDS[1])
    (tmp_path / "lora/samples/dog-01234567-000060-01.png").write_bytes(b"no picture")
    run = latest_run(tmp_path)
    assert run is not None
    assert [(s.number, s.step, s.prompt) for s in run.samples] == [
        (0, 20, "a dog\nin two lines"),
        (0, 40, "a dog\nin two lines"),
        (1, 20, "a robe"),
        (1, 60, ""),
    ]


def test_of_each_prompt_the_last_six(tmp_path: Path) -> None:
    trained(tmp_path)
    for step in range(10, 100, 10):
        sample(tmp_path, step, 0, "a dog")
    run = latest_run(tmp_path)
    assert run is not None and [s.step for s in run.samples] == [40, 50, 60, 70, 80, 90]


def test_a_lora_that_was_removed_is_not_named(tmp_path: Path) -> None:
    trained(tmp_path).unlink()
    run = latest_run(tmp_path)
    assert run is not None and (run.loras, run.finished) == ((), False)


def test_defaults_are_no_settings() -> None:
    assert changed_options(keyed(TrainOptions())) == {}
    assert changed_options(keyed(TrainOptions.build({"flip": True, "guide": "style"})))["flip"] == "on"
