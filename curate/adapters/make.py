"""From an algorithm's name to its adapter."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.boft import Boft
from curate.adapters.dylora import Dylora
from curate.adapters.full import Full
from curate.adapters.glora import Glora
from curate.adapters.ia3 import Ia3
from curate.adapters.loha import Loha
from curate.adapters.lokr import Lokr
from curate.adapters.lora import Lora
from curate.adapters.norm import Norm
from curate.adapters.oft import Oft

CLASSES: tuple[type[Adapter], ...] = (Lora, Loha, Lokr, Glora, Ia3, Oft, Boft, Full, Norm)
ALGORITHMS: dict[str, type[Adapter]] = {**{c.algo: c for c in CLASSES}, "locon": Lora, "dylora": Dylora}


def algorithm_of(tensors: Mapping[str, Tensor]) -> str | None:
    """The algorithm whose tensors a layer of a file holds; None for what none of ours reads."""
    if "oft_blocks" in tensors:
        return "boft" if tensors["oft_blocks"].dim() == 4 else "diag-oft"
    return next(
        (c.algo for c in CLASSES if any(s == c.detects or s.startswith(f"{c.detects}_") for s in tensors)), None
    )


def make(algo: str, shape: Shape, plan: Plan) -> Adapter:
    """A new adapter; its parameters hold no values before `start`."""
    return ALGORITHMS[algo](shape, plan)
