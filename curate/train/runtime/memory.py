"""What a machine cannot give: too little disk, found before the start, and too little memory, with what to change."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import torch

from curate.core.machine import memory_bytes
from curate.diffusion.device import allocation_errors, is_allocation_error
from curate.errors import MissingError, library_reason
from curate.train.options import TrainOptions

Item = TypeVar("Item")
Result = TypeVar("Result")

GIB = 1 << 30
OTHERS = "end what else uses this memory"


def size(gib: float) -> str:
    """GiB in words."""
    return f"{gib:.2f} GiB" if gib >= 1 else f"{gib * 1024:.1f} MiB"


def require_disk(place: Path, needed: float, what: str, remedy: str = "keep_states 1 keeps fewer checkpoints") -> None:
    """Raises MissingError where the disk of a folder has less than `needed` GiB free."""
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / GIB
    if free < needed:
        raise MissingError(
            f"the disk of {place} has {size(free)} free, and {what} will take {size(needed)}",
            f"free some space, or train in a folder on another disk; {remedy}",
        )


def installed() -> float:
    """GiB of memory that this process may use."""
    return memory_bytes() / GIB


def memory_errors(options: TrainOptions, what: str) -> AbstractContextManager[None]:
    """Turns an allocator's refusal into a MissingError that names the settings of this run that would need less."""

    def missing(error: Exception) -> MissingError:
        reason = f": {library_reason(error)}" if str(error) else ""
        return MissingError(f"not enough memory while {what}{reason}", "; ".join(REMEDIES[what](options)))

    return allocation_errors(missing)


class Portions:
    """Computes on as many items at a time as memory holds: on half as many, from then on, where it is refused."""

    def __init__(self, most: int) -> None:
        self.most = most

    def of(self, items: Sequence[Item], compute: Callable[[Sequence[Item]], Iterable[Result]]) -> Iterator[Result]:
        """The results, an item's each. Raises what the allocator does where not even one item fits."""
        at = 0
        while at < len(items):
            part = items[at : at + self.most]
            try:
                found = list(compute(part))
            except (RuntimeError, MemoryError) as error:
                if len(part) == 1 or not is_allocation_error(error):
                    raise
                found = None
            if found is None:  # what the failed call held is free only now that its error is gone
                self.most = len(part) // 2
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                continue
            yield from found
            at += len(part)


def less_for_base(options: TrainOptions) -> list[str]:
    """What the base alone would need less memory with."""
    less = ["precision bf16"] if options.precision == "fp32" else []
    return [*less, *_smaller_base(options), OTHERS]


def less_for_pictures(options: TrainOptions) -> list[str]:
    """What a single picture's latents would need less memory with."""
    return ["a lower resolution", f"{OTHERS}: latents that are done are kept"]


def less_for_captions(options: TrainOptions) -> list[str]:
    """What a single caption's encoding would need less memory with."""
    return [*(["max_tokens 75"] if options.max_tokens > 75 else []), *less_memory(options), OTHERS]


def _smaller_base(options: TrainOptions) -> list[str]:
    if options.base_precision in ("auto", "bf16"):
        return ["base_precision int8 keeps the base in half of bf16's memory, nf4 in a quarter"]
    return ["base_precision nf4"] if options.base_precision != "nf4" else []


def less_memory(options: TrainOptions) -> list[str]:
    """Settings that would need less memory and are not set yet, the one that costs least first."""
    found: list[str] = []
    if not options.gradient_checkpointing:
        found.append("set gradient_checkpointing (same result, a fifth to a third slower)")
    if options.batch > 1:
        half = options.batch // 2
        found.append(f"batch {half} with accumulate {options.accumulate * -(-options.batch // half)} (same result)")
    if options.precision == "fp32":
        found.append("precision bf16")
    if options.text_lr != 0:
        found.append("text_lr 0 does not train the text encoders")
    found += _smaller_base(options)
    found.append("a lower resolution")
    found.append("a lower rank or layer_preset attn-only")
    return found


REMEDIES: Mapping[str, Callable[[TrainOptions], list[str]]] = {
    "loading the base": less_for_base,
    "encoding pictures": less_for_pictures,
    "encoding captions": less_for_captions,
    "training": less_memory,
}
"""What helps, by what a run was doing."""
