"""Memory that training takes on each kind of base, by the program's own estimate: the table of docs/flow-models.md.

    python tests/bench/memory_table.py                      # every family at its own resolution, LoRA of rank 16
    python tests/bench/memory_table.py --rank 64 --side 768 --families sdxl flux1

It is arithmetic on models without values, so that it takes seconds and no GPU; nothing is measured. GiB for batch 1,
AdamW, bf16 and gradient checkpointing. With swap, half of the network's blocks stay in the machine's memory. The text
encoders of flow models are not counted: they encode the captions before the network is loaded.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from curate.diffusion.block_swap import LEFT
from curate.diffusion.family import families
from curate.diffusion.frame import frame_of_family
from curate.train.options import TrainOptions
from curate.train.planning import dry_model, estimate, memory_plan

STORAGES = ("auto", "int8", "nf4")
HEADINGS = ("family", "size", "no checkpointing", "bf16", "int8", "nf4", "bf16, swap", "int8, swap", "nf4, swap")


def row(name: str, rank: int, side: int | None) -> list[str]:
    """A family's line of the table."""
    base = frame_of_family(name)
    given: dict[str, Any] = {"family": name, "rank": rank, "precision": "bf16", "gradient_checkpointing": True}
    options = TrainOptions(**given, resolution=side or base.resolution)
    counts = estimate.counts(base, dry_model.adapter_parameters(options, base))
    half = min(len(counts.swapped) // 2, len(counts.swapped) - LEFT)
    ways: list[dict[str, Any]] = [{"gradient_checkpointing": False}]
    ways += [{"base_precision": storage} for storage in STORAGES]
    ways += [{"base_precision": storage, "swap_blocks": half} for storage in STORAGES]
    # a GPU that is not there stands for its kind alone
    gpu = torch.device("cuda")
    needs = [memory_plan.needs(options.model_copy(update=way), base, counts, base.resolution, gpu) for way in ways]
    return [base.family.title, f"{options.largest_resolution}²", *(f"{gib:.1f}" for gib in needs)]


def table(names: Sequence[str], rank: int = 16, side: int | None = None) -> Iterator[str]:
    """The table in Markdown, a line at a time."""
    yield f"| {' | '.join(HEADINGS)} |"
    yield f"|{' --- |' * len(HEADINGS)}"
    for name in names:
        yield f"| {' | '.join(row(name, rank, side))} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--side", type=int, help="pixels; default: the resolution of each family")
    parser.add_argument("--families", nargs="+", choices=list(families()), default=list(families()))
    given = parser.parse_args()
    for line in table(given.families, given.rank, given.side):
        print(line)


if __name__ == "__main__":
    main()
