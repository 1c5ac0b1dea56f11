"""From an algorithm's name to its adapter."""

from __future__ import annotations

from collections.abc import Collection

from curate.train.adapters._base import Adapter, Plan, Shape
from curate.train.adapters.loha import Loha
from curate.train.adapters.lokr import Lokr
from curate.train.adapters.lora import Lora

CLASSES: tuple[type[Adapter], ...] = (Lora, Loha, Lokr)
ALGORITHMS: dict[str, type[Adapter]] = {"lora": Lora, "locon": Lora, "loha": Loha, "lokr": Lokr}


def algorithm_of(suffixes: Collection[str]) -> str | None:
    """The algorithm whose tensors a layer of a file holds; None for what none of ours reads."""
    return next((c.algo for c in CLASSES if any(s == c.detects or s.startswith(f"{c.detects}_") for s in suffixes)), None)


def make(algo: str, shape: Shape, plan: Plan) -> Adapter:
    """A new adapter; its parameters hold no values before `start`."""
    return ALGORITHMS[algo](shape, plan)
