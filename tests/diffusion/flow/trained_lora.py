"""A LoRA of a small model, trained for two steps, and whether diffusers makes the same changes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.adapters import safetensors_file
from tests.train.conftest import draw_folder, run

RANK, ALPHA = 4, 1.0


def trained(place: Path, folder: Path, **options: Any) -> tuple[Path, dict[str, Tensor]]:
    """The file of a LoRA on the model at `place`, and its tensors."""
    given = {"steps": 2, "rank": RANK, "alpha": ALPHA, "learning_rate": 1e-2, "save_precision": "fp32"}
    small = {"resolution": 64, "bucket_step": 32, "tensorboard": False}
    path, _ = run(draw_folder(folder / "prepared"), base=str(place), **given, **small, **options)
    return path, safetensors_file.read(path)[0]


def product(tensors: Mapping[str, Tensor], stem: str) -> Tensor:
    """ΔW of a layer by the keys of its factors: PEFT's, whose scale is 1, or kohya's."""
    if f"{stem}.lora_A.weight" in tensors:
        return tensors[f"{stem}.lora_B.weight"] @ tensors[f"{stem}.lora_A.weight"]
    return tensors[f"{stem}.lora_up.weight"] @ tensors[f"{stem}.lora_down.weight"] * ALPHA / RANK


def lora_layers(network: nn.Module) -> dict[str, Any]:
    """The layers that diffusers put a LoRA on, by path."""
    return {path: module for path, module in network.named_modules() if getattr(module, "lora_A", None)}


def check_changes(layers: Mapping[str, Any], change: Callable[[str], Tensor], idle: str = "") -> None:
    """Each layer has its change by path, and only the layers whose paths match `idle` have learned nothing."""
    assert layers
    for path, layer in layers.items():
        expected = change(path)
        torch.testing.assert_close(layer.get_delta_weight("default_0"), expected)
        assert bool(expected.any()) != bool(re.fullmatch(idle, path)), path
