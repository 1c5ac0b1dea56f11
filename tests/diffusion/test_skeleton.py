"""Skeletons have every name and shape of the models that they stand for, and need none of their libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from curate.diffusion import skeleton, stable_diffusion, tiny
from curate.diffusion.family import families

ROOT = Path(__file__).parents[2]


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    found = {name: tuple(p.shape) for name, p in model.named_parameters()}
    if "final_layer_norm.weight" in found:  # transformers 5 left out the level that files name
        found = {name if name.startswith("text_") else f"text_model.{name}": shape for name, shape in found.items()}
    return found


@pytest.mark.parametrize(
    "config", [*(found.unet for found in families().values()), tiny.UNET], ids=[*families(), "tiny"]
)
def test_unets(config: dict[str, Any]) -> None:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with torch.device("meta"):
        assert shapes(skeleton.unet(config)) == shapes(UNet2DConditionModel(**config))


@pytest.mark.parametrize("config", [stable_diffusion.VAE, tiny.VAE], ids=["full", "tiny"])
def test_autoencoders(config: dict[str, Any]) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with torch.device("meta"):
        assert shapes(skeleton.vae(config)) == shapes(AutoencoderKL(**config))


@pytest.mark.parametrize(
    "config",
    [*families()["sdxl"].texts, *families()["sd2"].texts, tiny.TEXT],
    ids=["L", "G", "H", "tiny"],
)
@pytest.mark.parametrize("projects", [False, True])
def test_texts(config: dict[str, Any], projects: bool) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    configured = CLIPTextConfig(**config)
    with torch.device("meta"):
        model = CLIPTextModelWithProjection(configured) if projects else CLIPTextModel(configured)
        assert shapes(skeleton.text(config, projects)) == shapes(model)


SHOWN = """
import sys
from curate.cli.main import main
try:
    main(["train", sys.argv[1], "--print-config", "--json"])
finally:
    heavy = ("diffusers", "transformers", "torch._dynamo", "sympy", "onnxruntime")
    print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""


def test_showing_the_configuration_imports_no_library_of_models_and_no_compiler(folder: Path) -> None:
    tiny.folder()  # built once for the machine; that alone needs them
    done = subprocess.run(
        [sys.executable, "-c", SHOWN, str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
        check=True,
    )
    assert json.loads(done.stdout)["estimate"]["steps"] > 0
    assert done.stderr.splitlines()[-1] == "[]"
