"""How long and how: length, batches, seed, precision of the computation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

Precision = Literal["auto", "fp32", "bf16", "fp16"]


class RunOptions(BaseModel):
    """How long and how: length, batches, seed, precision of the computation."""

    epochs: int | None = Field(None, ge=1, description="Times through the data; default what showings asks for.")
    steps: int | None = Field(None, ge=1, description="Optimizer steps; epochs win where both are given.")
    showings: int = Field(
        100,
        ge=1,
        description="How often each picture is shown where neither epochs nor steps are given; 30 to 40 for a style.",
    )
    batch: int = Field(1, ge=1, description="Pictures per forward pass.")
    accumulate: int = Field(1, ge=1, description="Forward passes per optimizer step.")
    seed: int = Field(42, ge=0, description="Seed of every random draw.")
    precision: Precision = Field("auto", description="Of the computation: auto is fp32 on a CPU and bf16 on a GPU.")
    gradient_checkpointing: bool = Field(
        False, description="Less memory for a fifth to a third more time; same result."
    )
    compile: bool = Field(
        False,
        description=(
            "Compile the network's blocks: quicker steps after a start of minutes; same result but for rounding."
        ),
    )


NEEDS: dict[str, tuple[str, Callable[[RunOptions], bool]]] = {
    "showings": ("leaving out epochs and steps", lambda o: o.epochs is None and o.steps is None),
}
UNKEYED = frozenset(("gradient_checkpointing", "compile"))
