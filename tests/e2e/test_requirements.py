"""What a run will need and that is not there is told before the first picture is touched, all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from curate import drive
from curate.drive.command import Command
from curate.errors import CurateError, MissingError
from curate.pipeline import RunOptions, load
from curate.stages.upscale import Upscale
from tests.e2e.conftest import pipeline

LACKS = {
    "tagger on the hub": ("tag: {tagger: wd-vit-tagger-v3}", "wd-vit-tagger-v3"),
    "describing model": ("tag: {tagger: palette, describe: owner/no-such-model}", "owner/no-such-model"),
    "upscaler": ("upscale: {model: models/4x.pth}", "models/4x.pth"),
    "detector of noise": ("denoise: {methods: [adverse], detector: models/noise.onnx}", "models/noise.onnx"),
    "detector of pictures": ("crop: {model: models/faces.onnx}", "models/faces.onnx"),
    "detector of text": ("marks: {model: models/text.onnx}", "models/text.onnx"),
    "base": ("train: {base: owner/no-such-base}", "owner/no-such-base"),
    "autoencoder": ("train: {vae: models/vae.safetensors}", "models/vae.safetensors"),
    "prompts": ("train: {sample_prompts: prompts.txt}", "prompts.txt"),
    "pictures of the class": ("train: {reg_folder: reg}", "reg"),
    "pictures to validate on": ("train: {validation_folder: held out}", "held out"),
    "LoRA to start from": ("train: {start_from: old.safetensors}", "old.safetensors"),
}
"""A stage that lacks one thing, and what the message names."""


def stages(*lacking: str) -> str:
    """The stages of a pipeline with these among them."""
    before = [line for line in lacking if not line.startswith("train")]
    after = [line for line in lacking if line.startswith("train")]
    return "\n" + "".join(f"  - {line}\n" for line in ["convert", *before, "trigger", "export", *after])


def offline(path: Path) -> Path:
    path.write_text(path.read_text(encoding="utf-8") + "run: {offline: true}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("carry_out", [drive.run, drive.plan])
@pytest.mark.parametrize("lack", LACKS)
def test_one_thing_missing(lack: str, carry_out: Callable[..., object], tmp_path: Path, raw: Path) -> None:
    line, name = LACKS[lack]
    file = offline(pipeline(tmp_path, raw, stages=stages(line)))
    with pytest.raises(MissingError) as error:
        carry_out(load(file))
    assert name in str(error.value).replace("\\", "/")
    assert error.value.remedy
    assert not (tmp_path / "prepared").exists()


def test_everything_missing_is_told_at_once(tmp_path: Path, raw: Path) -> None:
    options = [line.partition("{")[2].rstrip("}") for line, _ in LACKS.values() if line.startswith("train")]
    lines = [line for line, _ in LACKS.values() if not line.startswith(("train", "tag"))]
    lines += ["tag: {tagger: wd-vit-tagger-v3, describe: owner/no-such-model}", f"train: {{{', '.join(options)}}}"]
    file = offline(pipeline(tmp_path, raw, stages=stages(*lines)))
    with pytest.raises(MissingError) as error:
        drive.run(load(file))
    text = str(error.value).replace("\\", "/")
    assert [name for _, name in LACKS.values() if name not in text] == []
    assert text.startswith(f"{len(LACKS)} things are missing:")
    assert not (tmp_path / "prepared").exists()


def test_an_output_that_cannot_be_made(tmp_path: Path, raw: Path) -> None:
    file = pipeline(tmp_path, raw, stages=stages())
    (tmp_path / "prepared").write_text("a file", encoding="utf-8")
    with pytest.raises(CurateError, match="prepared"):
        load(file)
    (tmp_path / "prepared").unlink()
    file.write_text(file.read_text(encoding="utf-8").replace("output: prepared", "output: pipeline.yaml/prepared"))
    with pytest.raises(CurateError, match=r"pipeline.yaml is a file"):
        drive.run(load(file))


def test_a_command_is_told_before_it_writes(tmp_path: Path, raw: Path) -> None:
    out = tmp_path / "out"
    command = Command(Upscale(model=str(tmp_path / "none.pth")), raw, out, options=RunOptions(offline=True))
    with pytest.raises(MissingError, match=r"none\.pth"):
        drive.command(command)
    assert not out.exists()


def test_a_run_that_lacks_nothing_goes_on(tmp_path: Path, raw: Path) -> None:
    drive.run(load(offline(pipeline(tmp_path, raw, stages=stages("tag: {tagger: palette}")))), quiet=True)
    assert len(list((tmp_path / "prepared").glob("*/*.png"))) == 6
