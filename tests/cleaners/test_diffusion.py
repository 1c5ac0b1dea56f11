"""Method D through a tiny upscaling pipeline in diffusers' own layout."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from cleaners.diffusion import Diffusion
from cleaners.errors import MissingModelError, UnknownModelError
from curate.core.record import Image, Record
from curate.core.stage import Env
from curate.images import PICTURE_FILES
from curate.stages.denoise import Denoise

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the architecture of the published x4 upscaler."""
    import torch
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        DDPMScheduler,
        StableDiffusionUpscalePipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("tiny")
    words = [
        "<|startoftext|>",
        "<|endoftext|>",
        *[chr(c) for c in range(97, 123)],
        *[chr(c) + "</w>" for c in range(97, 123)],
    ]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=8)
    torch.manual_seed(0)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            projection_dim=16,
        )
    )
    unet = UNet2DConditionModel(
        block_out_channels=(16, 16),
        layers_per_block=1,
        in_channels=7,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=8,
        num_class_embeds=350,
        sample_size=16,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=4,
    )
    pipeline = StableDiffusionUpscalePipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        low_res_scheduler=DDPMScheduler(),
        scheduler=DDIMScheduler(prediction_type="v_prediction"),
        max_noise_level=350,
    )
    pipeline.save_pretrained(folder / "pipeline", safe_serialization=True)
    return folder / "pipeline"


def test_same_size_deterministic_and_seeded(tiny: Path, picture):
    source = picture(40, 56)
    results = []
    for seed in (0, 0, 1):
        with Diffusion(str(tiny), steps=2, seed=seed, offline=True).open("cpu") as clean:
            results.append(clean(source))
    assert results[0].shape == source.shape
    assert results[0].dtype == np.uint8
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_sigma_and_steps_matter(tiny: Path, picture):
    source = picture(32, 32)
    found = []
    for options in ({"steps": 1}, {"steps": 3}, {"steps": 1, "sigma": 0.0}):
        with Diffusion(str(tiny), offline=True, **options).open("cpu") as clean:
            found.append(clean(source))
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_large_pictures_are_bounded(tiny: Path, picture):
    with Diffusion(str(tiny), steps=1, longest=32, offline=True).open("cpu") as clean:
        assert clean(picture(70, 130)).shape == (70, 130, 3)


def test_as_a_method_of_the_stage(tiny: Path, tmp_path: Path, picture):
    from PIL import Image as Pillow

    Pillow.fromarray(picture(40, 40)).save(tmp_path / "a.png")
    record = Record("dog/a.png", "dog", "o", Image("d", str(tmp_path / "a.png"), 40, 40))
    env = Env(tmp_path / ".curate", tmp_path, PICTURE_FILES, device="cpu", offline=True)
    stage = Denoise(when="always", methods=("diffusion",), diffusion=str(tiny), steps=1, guard=False)
    assert any(p.suffix == ".safetensors" for p in stage.files(env))
    with stage.parts()[0].open(env) as work:
        (found,) = work([record])
    assert found.facts["denoise"]["methods"] == ["diffusion"]
    assert env.held[found.key].shape == (40, 40, 3)


@pytest.mark.parametrize("model", ["owner/no-such-upscaler", "no-such-folder", "/no/such/folder", "../none"])
def test_models_that_are_not_here_are_said_in_one_sentence(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    kind, said = (MissingModelError, "offline") if model[0] == "o" else (UnknownModelError, "no such folder")
    with pytest.raises(kind, match=said) as caught:
        Diffusion(model, offline=True).open("cpu").__enter__()
    assert model in caught.value.message
    assert "\n" not in caught.value.message
    assert "diffusers' layout" in caught.value.remedy


def test_missing_and_unsafe_folders(tiny: Path, tmp_path: Path):
    with (
        pytest.raises(MissingModelError, match="no diffusion upscaler"),
        Diffusion(str(tmp_path), offline=True).open("cpu"),
    ):
        pass
    copy = tmp_path / "copy"
    import shutil

    shutil.copytree(tiny, copy)
    weights = copy / "unet/diffusion_pytorch_model.safetensors"
    weights.unlink()
    (copy / "unet/diffusion_pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(MissingModelError), Diffusion(str(copy), offline=True).open("cpu"):
        pass
