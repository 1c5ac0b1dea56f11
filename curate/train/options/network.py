"""What is learnt: algorithm, size, layers and what holds it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

Algo = Literal["lora", "locon", "loha", "lokr"]


class NetworkOptions(BaseModel):
    """What is learnt: algorithm, size, layers and what holds it back."""

    algo: Algo = Field(
        "lora",
        description="lora (general), locon (convolutions too), loha (simple concepts, flexible), lokr (complex concepts).",
    )
    rank: int | None = Field(None, ge=1, description="Rank; default 32, for loha 16, for lokr the full matrix.")
    alpha: float | None = Field(None, gt=0, description="Scale times rank; default the rank, for loha half of it.")
    conv_rank: int | None = Field(
        None, ge=1, description="Rank of convolutions larger than 1×1; default 16 for locon, else the rank."
    )
    conv_alpha: float | None = Field(None, gt=0, description="Alpha of those convolutions; default 1 for locon, else as alpha.")
    factor: int | None = Field(
        None, description="lokr: size of the smaller factor, default 8; -1 splits as evenly as possible."
    )
    decompose_both: bool = Field(False, description="lokr: split the smaller factor too.")
    tucker: bool = Field(False, description="Split kernels larger than 1×1 by a core tensor.")
    scalar: bool = Field(False, description="Learn a scale per layer that starts at zero; folded in on saving.")
    rs_lora: bool = Field(False, description="Scale by alpha/√rank: large ranks keep their strength.")
    dora: bool = Field(False, description="Learn the length of each weight column apart (DoRA, input axis).")
    dropout: float = Field(0, ge=0, lt=1, description="Share of an adapter's inner values dropped; .1 to .5 is usual.")
    rank_dropout: float = Field(0, ge=0, lt=1, description="Share of ranks dropped each step; .1 to .3 is usual.")
    module_dropout: float = Field(
        0, ge=0, lt=1, description="Chance that a layer's adapter sits a step out; .1 to .3 is usual."
    )
    scale_weight_norms: float = Field(
        0, ge=0, description="Longest ΔW a layer may have; 1 for LoRAs that are combined, 0 is off."
    )
    preset: (
        Literal["full", "full-lin", "attn-mlp", "attn-only", "unet-only", "unet-transformer-only", "unet-convblock-only"] | None
    ) = Field(None, description="Which layers are trained; default attn-mlp, for locon full.")


NEEDS: dict[str, tuple[str, Callable[[NetworkOptions], bool]]] = {
    "factor": ("algo lokr", lambda o: o.algo == "lokr"),
    "decompose_both": ("algo lokr", lambda o: o.algo == "lokr"),
}
UNKEYED: frozenset[str] = frozenset()
