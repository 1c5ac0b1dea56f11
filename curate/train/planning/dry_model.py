"""What a run would train, counted on a base model without values."""

from __future__ import annotations

from curate.diffusion.base import Backbone
from curate.errors import MissingError
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from curate.train.runtime import memory


def adapter_parameters(options: TrainOptions, backbone: Backbone) -> int:
    """Numbers that a run trains, without making any of them. Raises InputError where an option fits no layer."""
    return sum(p.numel() for adapter in plan_network(options, backbone).values() for p in adapter.parameters())


def fits_memory(options: TrainOptions, backbone: Backbone) -> None:
    """Raises MissingError where the adapters alone exceed this machine's memory; nothing of them is made."""
    numbers = adapter_parameters(options, backbone)
    needed, there = numbers * 4 / memory.GIB, memory.installed()
    if there and needed > there:
        raise MissingError(
            f"the adapters have {numbers:,} numbers, {needed:.0f} GiB, and this machine has {there:.0f} GiB of memory",
            "a lower rank, or fewer layers",
        )
