"""How long and how: length, batches, seed, precision of the computation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

Precision = Literal["auto", "fp32", "bf16", "fp16"]
BasePrecision = Literal["auto", "bf16", "fp8", "int8", "nf4"]


def _blocks(value: Any) -> Any:
    text = str(value).strip()
    if text != "auto" and not text.isdigit():
        raise ValueError(f"takes a number of blocks, or auto, not {value!r}")
    return text if text == "auto" else int(text)


def _card(value: Any) -> str:
    """A card's memory as `12GB`; a number alone is meant so."""
    text = str(value).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(?:GB|GiB|G)?", text, re.IGNORECASE)
    if text and (match is None or float(match[1]) == 0):
        raise ValueError(f"takes the memory of a card, as in 12GB, not {value!r}")
    return f"{match[1]}GB" if match else ""


class RunOptions(BaseModel):
    """How long and how: length, batches, seed, precision of the computation."""

    epochs: int | None = Field(None, ge=1, description="Passes over the data. Default: computed from `showings`.")
    steps: int | None = Field(None, ge=1, description="Optimizer steps. Ignored if epochs is given.")
    showings: int = Field(
        100,
        ge=1,
        description=(
            "How often each picture is trained in total, if neither epochs nor steps is given; 30 to 40 for a style."
        ),
    )
    batch: int = Field(1, ge=1, description="Batch size: pictures per forward pass.")
    accumulate: int = Field(1, ge=1, description="Gradient accumulation: forward passes per optimizer step.")
    seed: int = Field(42, ge=0, description="Random seed.")
    precision: Precision = Field(
        "auto", description="Number format of the computation: auto is fp32 on a CPU and bf16 on a GPU."
    )
    base_precision: BasePrecision = Field(
        "auto",
        description=(
            "How the frozen base is kept in memory; the computation stays in `precision`. fp8 and int8 take half the "
            "memory of bf16, nf4 about a quarter (needs bitsandbytes). int8 is the most exact of them. "
            "auto: in `precision`."
        ),
    )
    swap_blocks: Annotated[Literal["auto"] | Annotated[int, Field(ge=0)], BeforeValidator(_blocks)] = Field(
        0,
        description=(
            "GPU only: keep so many blocks of the network in the machine's memory and copy each layer to the GPU when "
            "it is needed. Slower; the result is the same except for rounding. auto: as many as do not fit the GPU."
        ),
    )
    fit: Annotated[str, BeforeValidator(_card)] = Field(
        "",
        description=(
            "Memory of the card to train on, as in 12GB: sets gradient_checkpointing, base_precision and swap_blocks "
            "so that the estimate fits. What you set yourself stays."
        ),
    )
    gradient_checkpointing: bool = Field(
        False, description="Save memory. Steps take 20 to 35% longer; the result is the same."
    )
    compile: bool = Field(
        False,
        description=(
            "Compile the network's blocks. Steps are faster after a few minutes of compilation; the "
            "result is the same except for rounding."
        ),
    )


NEEDS: dict[str, tuple[str, Callable[[RunOptions], bool]]] = {
    "showings": ("leaving out epochs and steps", lambda o: o.epochs is None and o.steps is None),
}
UNKEYED = frozenset(("gradient_checkpointing", "compile", "swap_blocks", "fit"))
