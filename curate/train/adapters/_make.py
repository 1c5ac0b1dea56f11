"""From an algorithm's name to its adapter."""

from __future__ import annotations

from curate.train.adapters._base import Adapter, Plan, Shape
from curate.train.adapters.loha import Loha
from curate.train.adapters.lokr import Lokr
from curate.train.adapters.lora import Lora

ALGORITHMS: dict[str, type[Adapter]] = {"lora": Lora, "locon": Lora, "loha": Loha, "lokr": Lokr}


def make(algo: str, shape: Shape, plan: Plan) -> Adapter:
    """A new adapter; its parameters hold no values before `start`."""
    return ALGORITHMS[algo](shape, plan)
