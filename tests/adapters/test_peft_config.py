"""LoRA files of PEFT and diffusers, whose strength stands in a configuration: ΔW as PEFT itself computes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from curate.adapters import lora_file
from curate.adapters.peft_config import HEADER, configurations
from curate.diffusion import tiny
from curate.diffusion.base import Backbone
from curate.diffusion.load import load
from curate.errors import InputError
from curate.train.network.build import attach
from curate.train.options import TrainOptions

TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]
CONFIGS: dict[str, Any] = {
    "alpha above rank": lambda: peft.LoraConfig(r=4, lora_alpha=16, target_modules=TARGETS),
    "alpha below rank": lambda: peft.LoraConfig(r=8, lora_alpha=1, target_modules=TARGETS),
    "rank-stabilised": lambda: peft.LoraConfig(r=4, lora_alpha=3, use_rslora=True, target_modules=TARGETS),
    "alphas by pattern": lambda: peft.LoraConfig(
        r=4, lora_alpha=8, alpha_pattern={"to_q": 2, "attn2.to_k": 12}, target_modules=TARGETS
    ),
    "ranks by pattern": lambda: peft.LoraConfig(r=4, lora_alpha=8, rank_pattern={"to_v": 2}, target_modules=TARGETS),
    "both patterns, rank-stabilised": lambda: peft.LoraConfig(
        r=4,
        lora_alpha=8,
        use_rslora=True,
        rank_pattern={"attn1.to_q": 2},
        alpha_pattern={"down_blocks.*to_q": 3},
        target_modules=TARGETS,
    ),
    "LoHa": lambda: peft.LoHaConfig(r=4, alpha=12, target_modules=TARGETS),
    "LoKr": lambda: peft.LoKrConfig(r=2, alpha=6, target_modules=TARGETS),
}


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load("tiny", True)


def saved(config: Any, folder: Path) -> dict[str, Tensor]:
    """Saves a PEFT adapter of the tiny UNet with random factors; ΔW of each layer by its path in the UNet."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(tiny.folder() / "unet")
    model = peft.get_peft_model(unet, config)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in ("lora_", "hada_", "lokr_")):
                parameter.copy_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(str(folder))
    layers = {n: m for n, m in model.base_model.model.named_modules() if hasattr(m, "get_delta_weight")}
    return {name: layer.get_delta_weight("default").detach() for name, layer in layers.items()}


def deltas(path: Path, backbone: Backbone) -> dict[str, Tensor]:
    """ΔW of each layer of a file that training goes on from, by its path."""
    network = attach(TrainOptions(start_from=str(path), rank_from_file=True), backbone)
    network.detach()
    return {network.layer_names[name].path: adapter.delta().detach() for name, adapter in network.adapters.items()}


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.filterwarnings("ignore")
def test_a_folder_that_peft_saved(kind: str, backbone: Backbone, tmp_path: Path) -> None:
    wanted = saved(CONFIGS[kind](), tmp_path)
    for path in (tmp_path, tmp_path / "adapter_model.safetensors"):
        mine = deltas(path, backbone)
        assert mine.keys() == wanted.keys()
        for name, delta in wanted.items():
            assert torch.allclose(mine[name], delta, atol=1e-6), name


@pytest.mark.parametrize("kind", [kind for kind in CONFIGS if kind[:2] != "Lo"])
@pytest.mark.filterwarnings("ignore")
def test_a_file_with_diffusers_header(kind: str, backbone: Backbone, tmp_path: Path) -> None:
    config = CONFIGS[kind]()
    wanted = saved(config, tmp_path / "peft")
    tensors = load_file(tmp_path / "peft" / "adapter_model.safetensors")
    named = {key.replace("base_model.model.", "unet."): tensor for key, tensor in tensors.items()}
    keys = ("r", "lora_alpha", "alpha_pattern", "rank_pattern", "use_rslora")
    header = {f"unet.{key}": getattr(config, key) for key in keys}
    path = tmp_path / "pytorch_lora_weights.safetensors"
    save_file(named, path, metadata={"format": "pt", HEADER: json.dumps(header)})
    mine = deltas(path, backbone)
    for name, delta in wanted.items():
        assert torch.allclose(mine[name], delta, atol=1e-6), name


@pytest.mark.filterwarnings("ignore")
def test_without_a_configuration_alpha_is_the_rank(backbone: Backbone, tmp_path: Path) -> None:
    wanted = saved(CONFIGS["alpha above rank"](), tmp_path)
    (tmp_path / "adapter_config.json").unlink()
    mine = deltas(tmp_path, backbone)
    assert all(torch.allclose(mine[name] * 4, delta, atol=1e-6) for name, delta in wanted.items())


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_a_broken_configuration_is_told(text: str, tmp_path: Path) -> None:
    save_file({"unet.x.lora_A.weight": torch.zeros(1)}, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(InputError, match=r"adapter_config\.json cannot be read"):
        configurations(tmp_path / "adapter_model.safetensors", {})


def test_a_folder_without_a_lora_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds 0 files called adapter_model"):
        lora_file.locate_lora(str(tmp_path))
