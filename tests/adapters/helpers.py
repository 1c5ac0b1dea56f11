"""Layers, plans and adapters away from their start, for tests of every algorithm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.make import make

LAYERS = {
    "linear": lambda: nn.Linear(24, 40),
    "point": lambda: nn.Conv2d(24, 40, 1),
    "conv": lambda: nn.Conv2d(12, 20, 3, padding=1),
    "strided": lambda: nn.Conv2d(12, 20, 3, stride=2, padding=1),
    "unpadded": lambda: nn.Conv2d(20, 12, 3, stride=2),
    "oblong": lambda: nn.Conv2d(8, 12, (3, 1), padding=(1, 0)),
}


PLANS = {
    "r4": {"rank": 4, "alpha": 2.0},
    "r2-rs": {"rank": 2, "alpha": 3.0, "rs": True},
    "r3-tucker": {"rank": 3, "alpha": 1.5, "tucker": True},
    "r2-scalar": {"rank": 2, "alpha": 2.0, "scalar": True},
    "r9": {"rank": 9, "alpha": 9.0},
}


LOKR = {
    **{f"f{f}": {"rank": 2, "alpha": 1.0, "factor": f} for f in (-1, 1, 2, 4, 8)},
    "both": {"rank": 1, "alpha": 2.0, "factor": 4, "decompose_both": True},
    "full": {"rank": 100_000, "alpha": 5.0, "factor": 4, "full_matrix": True},
    "full-by-rank": {"rank": 64, "alpha": 5.0, "factor": 2},
    "tucker": {"rank": 2, "alpha": 1.0, "factor": 2, "tucker": True},
    "tucker-both-scalar": {
        "rank": 1,
        "alpha": 1.0,
        "factor": 4,
        "tucker": True,
        "decompose_both": True,
        "scalar": True,
    },
}


MORE = {"dylora", "glora", "ia3", "diag-oft", "boft", "full", "norm"}


CASES = [
    (algo, layer, name)
    for algo in ("lora", "loha", "lokr")
    for layer in LAYERS
    for name in (*PLANS, *(LOKR if algo == "lokr" else ()))
]


def built(algo: str, layer: nn.Module, name: str, dtype: torch.dtype = torch.float64) -> Adapter:
    plan = Plan(**(PLANS | LOKR)[name])
    adapter = make(algo, Shape.of(layer), plan).to(dtype)
    adapter.start(torch.Generator().manual_seed(0))
    return adapter


def shaken(adapter: Adapter) -> Adapter:
    """Away from the start, where ΔW is zero."""
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return adapter


def sample(layer: nn.Module) -> Tensor:
    if isinstance(layer, nn.Linear):
        return torch.randn(2, 5, layer.in_features, dtype=torch.float64)
    assert isinstance(layer, nn.Conv2d)
    return torch.randn(2, layer.in_channels, 9, 7, dtype=torch.float64)


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that is made."""

    size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.size = max(self.size, out.numel())
        return out
