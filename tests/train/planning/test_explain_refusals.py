"""--print-config refuses what training refuses, with or without the base; and what a run lacks is told at once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from curate.errors import CurateError, InputError
from curate.stages.train import Train
from curate.train.data.buckets import fit, resolutions
from curate.train.data.dataset import Picture
from curate.train.options import TrainOptions
from curate.train.planning.explain import findings
from curate.train.planning.preflight import fit_warnings
from curate.train.planning.requirements import lora_bytes
from tests.train.conftest import env_of, run

CPU = torch.device("cpu")
SHORT: dict[str, Any] = {"steps": 1, "rank": 1, "layer_preset": "attn-only", "tensorboard": False}


def printed(folder: Path, **options: Any) -> list[str]:
    return list(findings(TrainOptions(**options), folder, options, CPU).closing)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ztsnr": True}, "ztsnr needs v-prediction"),
        ({"scale_v": True}, "scale_v has no effect"),
        ({"prediction": "v", "v_like": 0.5}, "v_like has no effect"),
        ({"conv_rank": 4}, "conv_rank has no effect: no kernel larger than 1×1"),
        ({"train_norm": True, "layer_preset": "attn-only"}, "train_norm has no effect"),
        ({"block_ranks": ",".join(["2"] * 23)}, "block_ranks has 23 values, and the base model has 25 blocks"),
        ({"include": ("nowhere",)}, "include: no layer of layer_preset attn-only matches"),
        ({"optimizer_args": ("momentum=0.5",)}, "optimizer adamw does not take momentum"),
        ({"optimizer": "lion", "optimizer_args": ("betas=0.9",)}, "optimizer lion does not take these arguments"),
        ({"clip_skip": 3}, "clip_skip 3 is more than the 2 layers"),
        ({"tokenizer": "x"}, "tokenizer has no effect"),
        ({"family": "sdxl", "base": "tiny"}, "family sdxl: the base tiny is sd1"),
        ({"sample_prompts": "nowhere.txt"}, "the prompt file nowhere.txt does not exist"),
        ({"start_from": "nowhere.safetensors"}, "does not exist, or is not a .safetensors file"),
        ({"bucket_min": 192}, "resolution 128 is not between"),
    ],
)
def test_what_training_refuses_is_refused_before(folder: Path, options: dict[str, Any], message: str) -> None:
    given = {**SHORT, **options}
    before = sorted(folder.rglob("*"))
    with pytest.raises(CurateError) as first:
        printed(folder, **given)
    assert message in first.value.message and sorted(folder.rglob("*")) == before
    with pytest.raises(CurateError) as second:
        run(folder, **given)
    assert second.value.message == first.value.message


@pytest.mark.parametrize(
    ("base", "family", "resolution", "blocks"),
    [
        ({}, "sd1", 512, 25),
        ({"base": "models/not there.safetensors"}, "sd2", 768, 25),
        ({"base": "owner/not-here"}, "sdxl", 1024, 23),
    ],
)
def test_a_family_stands_for_a_base_that_is_not_here(
    folder: Path, base: dict[str, str], family: str, resolution: int, blocks: int
) -> None:
    options = TrainOptions(**base, family=family, steps=3)
    data = findings(options, folder, ("family", "steps"), CPU).data
    assert data["options"]["resolution"] == {"value": resolution, "source": "base"}
    assert data["length"]["steps"] == 3 and data["estimate"]["steps"] == 3
    with pytest.raises(InputError, match="conv_rank has no effect"):
        printed(folder, **base, family=family, conv_rank=4)
    other = 48 - blocks  # SD 1.x and 2.x have 25 blocks, SDXL 23
    with pytest.raises(InputError, match=f"block_ranks has {other} values, and the base model has {blocks} blocks"):
        printed(folder, **base, family=family, block_ranks=",".join(["2"] * other))


def test_training_another_family_than_said_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="family sd2: the base tiny is sd1"):
        run(folder, **SHORT, family="sd2")
    run(folder, **SHORT, family="sd1")


def test_everything_that_is_missing_is_told_at_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    stage = Train(
        base="models/x.safetensors",
        vae="models/vae.safetensors",
        tokenizer=str(tmp_path / "tokenizer"),
        sample_prompts="prompts.txt",
        reg_folder="reg",
        validation_folder="held",
        start_from="old.safetensors",
        optimizer="nopackage.Optimizer",
        thumbnail="picture.png",
        output_dir=str(tmp_path / "file" / "lora"),
    )
    before = sorted(tmp_path.rglob("*"))
    lines = [one.message for one in stage.missing(env_of(folder))]
    wanted = ["base model", "vae", "no CLIP tokenizer", "prompts.txt", "reg_folder", "validation_folder", "start_from"]
    wanted += ["nopackage", f"{tmp_path / 'file'} is a file", "thumbnail"]
    assert len(lines) == len(wanted) and all(any(word in line for line in lines) for word in wanted), lines
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_missing_where_everything_is_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a dog\n")
    stage = Train(base="tiny", sample_prompts=str(tmp_path / "p.txt"), reg_folder=str(folder), output_dir="new/lora")
    assert list(stage.missing(env_of(folder))) == []
    # what the hub may have is missing only where it is not to be asked
    env = env_of(folder)
    env.offline = False
    assert list(Train(base="owner/model").missing(env)) == []
    assert len(Train(base="owner/model").missing(env_of(folder))) == 1


def test_a_lora_that_the_disk_does_not_hold_is_told(folder: Path) -> None:
    stage = Train(base="tiny", rank=1_000_000, layer_preset="full", save_precision="fp32")
    if shutil.disk_usage(folder).free > lora_bytes(stage):
        pytest.skip("this disk holds any LoRA")
    [lack] = stage.missing(env_of(folder))
    assert "free, and the LoRA will take" in lack.message


def test_the_size_of_a_lora_is_that_of_its_file(folder: Path) -> None:
    path, _ = run(folder, steps=1, rank=300, tensorboard=False)
    size = lora_bytes(Train(base="tiny", rank=300, save_precision="fp32"))
    assert 0.9 * size < path.stat().st_size < 1.1 * size


def picture(width: int, height: int) -> Picture:
    return Picture(Path(f"1_dog/{width}x{height}.png"), "1_dog", 1, "", "", width, height)


def test_pictures_that_a_bucket_cuts_or_enlarges_much_are_named(folder: Path) -> None:
    sizes = resolutions(512, 256, 1024, 64)
    pictures = [picture(*s) for s in ((512, 512), (4000, 400), (200, 1500), (100, 100), (130, 130), (1024, 256))]
    lines = list(fit_warnings(pictures, [fit(p.width, p.height, sizes) for p in pictures]))
    # 10:1 and 1:7.5 in buckets of at most 4:1; 100 px become 512
    assert len(lines) == 2
    assert "2 pictures (1_dog/4000x400.png, 1_dog/200x1500.png) are cropped by more than a third" in lines[0]
    assert "1 picture (1_dog/100x100.png)" in lines[1]
    Image.new("RGB", (20, 20)).save(folder / "1_blue robe" / "0.png")
    assert any("1_blue robe/0.png" in line and "soft" in line for line in printed(folder, **SHORT))
