"""LoRA files of every algorithm for narrow bases, and what they change."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from curate.adapters import safetensors_file
from curate.diffusion.base import Backbone
from curate.diffusion.base_weights import BaseWeights
from curate.diffusion.load import load
from curate.lora.changes import layer_adapter, weight_change
from curate.lora.file import open_lora
from curate.train.network.build import attach
from curate.train.options import TrainOptions

VERSIONS = {"sd1": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0"}
METADATA = {"ss_network_module": "networks.lora", "ss_training_comment": "", "modelspec.title": "x"}
FORMS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 6, "alpha": 3.0},
    "locon": {"algo": "locon", "rank": 6, "alpha": 3.0, "conv_rank": 5, "conv_alpha": 2.0},
    "tucker": {"algo": "locon", "rank": 4, "conv_rank": 3, "tucker": True},
    "loha": {"algo": "loha", "rank": 2, "alpha": 1.0, "layer_preset": "full"},
    "lokr": {"algo": "lokr", "factor": 4, "layer_preset": "full"},
    "lokr-split": {"algo": "lokr", "factor": 4, "rank": 2, "alpha": 1.0, "decompose_both": True},
    "full": {"algo": "full"},
    "dora": {"rank": 3, "dora": True},
    "glora": {"algo": "glora", "rank": 3},
    "ia3": {"algo": "ia3"},
    "oft": {"algo": "diag-oft", "rank": 8},
    "boft": {"algo": "boft", "rank": 8},
    "norms": {"rank": 2, "train_norm": True},
}
PLAIN = ("lora", "locon", "tucker", "loha", "lokr", "lokr-split")
"""Forms whose change is known without the base."""


@functools.cache
def backbone(base: str) -> Backbone:
    return load(base, True)


def lora(
    path: Path, base: Path | str, form: str = "lora", seed: int = 1, dtype: torch.dtype = torch.float32, **options: Any
) -> Path:
    """A file with random values away from the start, as the trainer writes it."""
    found = backbone(str(base))
    network = attach(TrainOptions(**FORMS[form] | options), found)
    torch.manual_seed(seed)
    with torch.no_grad():
        for _, parameter in network.named_parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    tensors = {k: t.to(dtype) if t.is_floating_point() else t for k, t in network.tensors().items()}
    network.detach()
    return written(path, tensors, {**METADATA, "ss_base_model_version": found.family.versions[0]})


def written(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    meant = dict(metadata or {})
    path.write_bytes(safetensors_file.serialize(tensors, {**meant, **safetensors_file.hashes(tensors, meant)}))
    return path


def changes(path: Path | str, base: Path | str | None = None) -> dict[str, Tensor]:
    """ΔW [out, in·k·k] of each layer of a file."""
    file = open_lora(str(path))
    weights = None if base is None else BaseWeights.open(str(base), True)
    found: dict[str, Tensor] = {}
    for layer in file.layers:
        tensors = file.tensors(layer)
        adapter = layer_adapter(file, layer, weights, tensors)
        weight = weights.weight(layer) if weights is not None else None
        found[layer] = weight_change(adapter, tensors.get("dora_scale"), weight).flatten(1)
    return found


def apart(mine: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference of two files' changes, against the largest of their norms."""
    assert mine.keys() == other.keys()
    differences = [float((mine[n] - other[n]).norm() / other[n].norm().clamp(min=1e-12)) for n in mine]
    return max(differences)


SHARED = Path(__file__).parents[2] / "../shared/data"
