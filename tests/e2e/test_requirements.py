"""What a run will need and that is not there is told before the first picture is touched, all of it at once."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from curate import drive
from curate.cli.main import main
from curate.core.stage import Env
from curate.diffusion.families.sd1 import Sd1
from curate.diffusion.load import load as load_base
from curate.drive.command import Command
from curate.drive.requirements import check_requirements
from curate.errors import CurateError, InputError, MissingError
from curate.images import PICTURE_FILES
from curate.pipeline import RunOptions, load
from curate.stages.train import Train
from curate.stages.upscale import Upscale
from curate.train.network.build import attach
from curate.train.options import TrainOptions
from curate.train.planning.requirements import lora_bytes
from tests.e2e.conftest import pipeline, tree

LACKS = {
    "tagger on the hub": ("tag: {tagger: wd-vit-tagger-v3}", "wd-vit-tagger-v3", 3),
    "describing model": ("tag: {tagger: palette, describe: owner/no-such-model}", "owner/no-such-model", 3),
    "upscaler": ("upscale: {model: models/4x.pth}", "models/4x.pth", 2),
    "upscaler of a known name": ("upscale: {model: 4x-UltraSharp}", "4x-UltraSharp", 3),
    "upscaler that cleans": ("denoise: {methods: [down-up], model: RealESRGAN_x4plus}", "RealESRGAN_x4plus", 3),
    "detector of noise": ("denoise: {methods: [adverse], detector: models/noise.onnx}", "models/noise.onnx", 2),
    "detector of pictures": ("crop: {model: models/faces.onnx}", "models/faces.onnx", 2),
    "detector of text": ("marks: {model: models/text.onnx}", "models/text.onnx", 2),
    "base": ("train: {base: owner/no-such-base}", "owner/no-such-base", 3),
    "autoencoder": ("train: {vae: models/vae.safetensors}", "models/vae.safetensors", 2),
    "prompts": ("train: {sample_prompts: prompts.txt}", "prompts.txt", 2),
    "pictures of the class": ("train: {reg_folder: reg}", "reg", 2),
    "pictures to validate on": ("train: {validation_folder: held out}", "held out", 2),
    "LoRA to start from": ("train: {start_from: old.safetensors}", "old.safetensors", 2),
    "tokenizer": ("train: {base: base.safetensors, tokenizer: gone/to/tokenizer}", "gone/to/tokenizer", 2),
    "masks": ("train: {masked_loss: true}", "masked_loss: no picture in", 2),
    "room on the disk": ("train: {rank: 1000000, layer_preset: full, save_precision: fp32}", "the LoRA will take", 3),
    "what a LoRA of another rank needs": ("train: {start_from: rank 2.safetensors, rank: 4}", "start_from: lora_", 2),
}
"""A stage that lacks one thing, what the message names, and the exit code: 2 for what the user has to mend."""


def stages(*lacking: str) -> str:
    """The stages of a pipeline with these among them."""
    before = [line for line in lacking if not line.startswith("train")]
    after = [line for line in lacking if line.startswith("train")]
    return "\n" + "".join(f"  - {line}\n" for line in ["convert", *before, "trigger", "export", *after])


OF_TRAINING = {lack: line for lack, (line, *_) in LACKS.items() if line.startswith("train") and lack != "masks"}


def offline(path: Path) -> Path:
    save_file({Sd1.family.keys[0]: torch.zeros(1, 1)}, path.parent / "base.safetensors")
    shutil.copyfile(_lora(path.parent), path.parent / "rank 2.safetensors")
    path.write_text(path.read_text(encoding="utf-8") + "run: {offline: true}\n", encoding="utf-8")
    return path


def _lora(place: Path) -> Path:
    """A LoRA of rank 2 on the tiny base."""
    options = TrainOptions(base="tiny", algo="lora", rank=2)
    network = attach(options, load_base("tiny", True))
    tensors = {f"{n}.{k}": t.detach().contiguous() for n, a in network.adapters.items() for k, t in a.tensors().items()}
    network.detach()
    save_file(tensors, place / "made.safetensors")
    return place / "made.safetensors"


def _skip_on_a_large_disk(lack: str, place: Path) -> None:
    if lack == "room on the disk":
        stage = Train(base="tiny", rank=1_000_000, layer_preset="full", save_precision="fp32")
        if shutil.disk_usage(place).free > lora_bytes(stage):
            pytest.skip("this disk holds any LoRA")


def _ended(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as done:
        main([*map(str, arguments)])
    return int(done.value.code or 0)


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("lack", LACKS)
def test_one_thing_missing(
    lack: str, command: str, tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line, name, expected_code = LACKS[lack]
    _skip_on_a_large_disk(lack, tmp_path)
    file = offline(pipeline(tmp_path, raw, stages=stages(line)))
    before = tree(tmp_path, skip=())
    assert _ended(command, file) == expected_code
    said = capsys.readouterr().err.replace("\\", "/")
    assert name in said and len(said.strip().splitlines()) > 1, "what is missing, and the remedy"
    assert tree(tmp_path, skip=()) == before


@pytest.mark.parametrize("lack", [*OF_TRAINING, "masks"])
def test_one_thing_missing_for_print_config(
    lack: str, tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line, name, expected_code = LACKS[lack]
    _skip_on_a_large_disk(lack, tmp_path)
    offline(pipeline(tmp_path, raw))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "prepared" / "1_zwx dog"
    shutil.copytree(raw / "dog", folder)
    (folder / "0.txt").write_text("zwx dog", encoding="utf-8")
    before = tree(tmp_path, skip=())
    options = yaml.safe_load(line)["train"]
    words = [w for k, v in options.items() for w in (f"--{k.replace('_', '-')}", *([] if v is True else [str(v)]))]
    code = _ended("train", "prepared", "--print-config", "--steps", "1", *words)
    said = capsys.readouterr()
    if lack == "base":  # the hub may have it
        assert code == 0 and name in said.out
        return
    assert code == expected_code
    expected = "masked_loss" if lack == "masks" else name
    assert expected.replace("_", "-").removesuffix(": no picture in") in said.err.replace("\\", "/").replace("_", "-")
    assert not re.search(r"(?<![\w-])(start_from|masked_loss|reg_folder|validation_folder)\b", said.err)
    assert tree(tmp_path, skip=()) == before


def test_an_executor_that_is_not_installed() -> None:
    with pytest.raises(MissingError) as error:
        check_requirements([], Env(Path(), Path(), PICTURE_FILES), executor="warp", writes=False)
    assert str(error.value) == "executor warp: the package warp is not installed\n  pip install 'curate[warp]'"


def test_a_cluster_that_is_not_there(tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'curate[ray]'")
    file = pipeline(tmp_path, raw)
    assert _ended("run", file, "--set", "run.executor=ray", "--set", "run.address=127.0.0.1:1") == 3
    assert "no Ray cluster answers at address 127.0.0.1:1" in capsys.readouterr().err


def test_everything_missing_is_told_at_once(tmp_path: Path, raw: Path) -> None:
    alone = ("tokenizer", "room on the disk", "what a LoRA of another rank needs")
    lacks = {lack: row for lack, row in LACKS.items() if lack not in alone}
    options = [line.partition("{")[2].rstrip("}") for line, *_ in lacks.values() if line.startswith("train")]
    lines = [line for line, *_ in lacks.values() if not line.startswith(("train", "tag"))]
    lines += ["tag: {tagger: wd-vit-tagger-v3, describe: owner/no-such-model}", f"train: {{{', '.join(options)}}}"]
    file = offline(pipeline(tmp_path, raw, stages=stages(*lines)))
    with pytest.raises(InputError) as error:
        drive.run(load(file))
    text = str(error.value).replace("\\", "/")
    assert [name for _, name, _ in lacks.values() if name not in text] == []
    assert text.startswith(f"{len(lacks)} things are wrong or missing:")
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_the_environment_forbids_downloads(
    variable: str, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    base = "train: {base: owner/no-such-base}"
    assert drive.plan(load(pipeline(tmp_path, raw, stages=stages(base)))), "the hub may have it"
    pipeline_file = load(pipeline(tmp_path, raw, stages=stages("tag: {tagger: wd-vit-tagger-v3}", base)))
    monkeypatch.setenv(variable, "1")
    for carry_out in (drive.plan, drive.run):
        with pytest.raises(MissingError) as error:
            carry_out(pipeline_file)
        assert "wd-vit-tagger-v3" in str(error.value) and "owner/no-such-base" in str(error.value)


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
    with pytest.raises(InputError, match=r"none\.pth"):
        drive.command(command)
    assert not out.exists()


def test_a_run_that_lacks_nothing_goes_on(tmp_path: Path, raw: Path) -> None:
    drive.run(load(offline(pipeline(tmp_path, raw, stages=stages("tag: {tagger: palette}")))), quiet=True)
    assert len(list((tmp_path / "prepared").glob("*/*.png"))) == 6
