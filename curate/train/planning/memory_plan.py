"""Memory plan: which settings make a run fit the memory of a card, by the estimate, before anything is loaded."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Any

import torch

from curate.diffusion.base import Backbone
from curate.diffusion.block_swap import LEFT
from curate.diffusion.frame import frame
from curate.errors import InputError, MissingError
from curate.train.options import TrainOptions
from curate.train.planning import device_pace, dry_model, estimate
from curate.train.planning.base_place import base_place, base_traits
from curate.train.runtime.memory import size

USABLE = 0.9
"""Share of a card's memory that a plan fills. A choice: drivers and fragments take the rest."""

WHY_INT8 = "int8 and not fp8, because it takes the same memory and its results are nearer to those of bf16"
"""Why fp8 is never chosen. ΔW after 50 steps lay 0.03 to 0.08 from that of bf16 with int8, and 0.16 to 0.27 with fp8.

Measured on tiny models of four families as |ΔW − ΔW of bf16| / |ΔW of bf16|; `tests/contract/test_flow_families.py`
holds bounds for every family.
"""


def within_memory(options: TrainOptions, device: torch.device) -> tuple[TrainOptions, str]:
    """The options with `fit` and `swap_blocks: auto` worked out, and what was chosen, for the user; "" for neither.

    Depends on base, options and the kind of device alone; `swap_blocks: auto` without `fit` also on its free memory.
    Raises InputError where nothing makes the run fit `fit`, MissingError where nothing makes it fit free memory.
    """
    if not options.fit and options.swap_blocks != "auto":
        return options, ""
    if options.swap_blocks == "auto" and device.type != "cuda":
        raise InputError(
            "swap_blocks has no effect on a CPU: its memory is where the blocks would be kept", "leave it out"
        )
    place = base_place(options)
    traits = base_traits(options, place)
    base = frame(traits, options.base, place)
    limit = _gib(options.fit) if options.fit else device_pace.available(device)
    counts = estimate.counts(base, dry_model.adapter_parameters(options, base))
    least = float("inf")
    for values in _choices(options, len(counts.swapped), device):
        chosen = options.model_copy(update={**values, "fit": ""})
        needed = needs(chosen, base, counts, traits.resolution, device)
        if needed <= USABLE * limit:
            return chosen, _sentence(options, values, needed, limit)
        least = min(least, needed)
    raise (InputError if options.fit else MissingError)(
        f"{'fit' if options.fit else 'swap_blocks'}: with every setting that saves memory this run takes "
        f"{size(least / USABLE)}, and there are {size(limit)}",
        "take a smaller batch with accumulate, a lower resolution or rank, or text_lr 0",
    )


def needs(options: TrainOptions, base: Backbone, counts: estimate.Counts, native: int, device: torch.device) -> float:
    """GiB of the run on the device, for the largest picture that its resolution allows."""
    side = options.largest_resolution or native
    pace = device_pace.ASSUMED_PACE
    expected = estimate.of(options, base.family.name, counts, {(side, side): 1}, 1, device, pace=pace)
    return sum(expected.memory.values())


def _choices(options: TrainOptions, blocks: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Settings to be tried, what costs least first: time, then exactness. What the user set stays."""
    most = max(0, blocks - LEFT) if device.type == "cuda" and options.swap_blocks in (0, "auto") else 0
    if options.compile:
        most = 0
    plain = {} if options.swap_blocks != "auto" else {"swap_blocks": 0}
    if not options.fit:
        yield plain
        yield from ({"swap_blocks": number} for number in range(1, most + 1))
        return
    saving = plain if options.gradient_checkpointing else {**plain, "gradient_checkpointing": True}
    yield plain
    yield saving
    if options.base_precision == "auto" and not options.compile:
        small = {**saving, "base_precision": "int8"}
        yield small
        yield from ({**small, "swap_blocks": number} for number in range(1, most + 1))
        if importlib.util.find_spec("bitsandbytes"):
            smallest = {**saving, "base_precision": "nf4"}
            yield from ({**smallest, "swap_blocks": number} for number in range(most + 1))
    else:
        yield from ({**saving, "swap_blocks": number} for number in range(1, most + 1))


def _gib(text: str) -> float:
    """A card's memory: what is sold as 12 GB has 12 GiB."""
    match = re.match(r"[\d.]+", text)
    assert match
    return float(match[0])


def _sentence(options: TrainOptions, values: dict[str, Any], needed: float, limit: float) -> str:
    named = ", ".join(
        name if value is True else f"{name} {value}" for name, value in values.items() if value not in (0, False)
    )
    what = f"fit {options.fit}" if options.fit else f"swap_blocks auto, {size(limit)} free"
    why = f". {WHY_INT8}" if values.get("base_precision") == "int8" else ""
    return f"{what}: {named or 'nothing needs to be set'}; the estimate is {size(needed)}{why}"
