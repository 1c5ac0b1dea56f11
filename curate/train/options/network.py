"""What is learnt: algorithm, size, layers and what holds it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, Field, field_validator, model_validator

from curate.train.options import presets
from curate.train.options.layer_rules import block_numbers, rules

Algo = Literal["lora", "locon", "loha", "lokr", "dylora", "glora", "ia3", "diag-oft", "boft", "full"]
SPLIT = frozenset(("lora", "locon", "loha", "lokr"))
"""Algorithms of two factors and more, that take every form of them."""
SCALED = SPLIT | {"dylora", "glora"}
"""Algorithms whose ΔW is scaled by alpha."""
TURNING = frozenset(("diag-oft", "boft"))
"""Algorithms that turn the weight instead of adding to it."""


Layers = Literal[
    "full", "full-lin", "attn-mlp", "attn-only", "unet-only", "unet-transformer-only", "unet-convblock-only", "ia3"
]
"""LyCORIS' names for which layers are trained."""


class NetworkOptions(BaseModel):
    """What is learnt: algorithm, size, layers and what holds it back."""

    start_from: str = Field(
        "",
        description="LoRA file or PEFT folder to go on from: ours, kohya's, LyCORIS' or PEFT's, of the same layers.",
    )
    rank_from_file: bool = Field(
        False, description="Take layers, algorithm, ranks and alphas from start_from instead of the options."
    )
    algo: Algo = Field(
        "lora",
        description="lora (general), locon (convolutions too), loha (simple concepts, flexible), lokr (complex concepts), "
        "dylora (finds its rank; long), glora (general styles), ia3 (very small, styles), diag-oft and boft (keep the base's "
        "structure), full (the weights themselves: the best where size does not matter).",
    )
    rank: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Rank; default 32, loha 16, dylora 128, lokr the full matrix; the largest block of diag-oft and boft, 16.",
    )
    alpha: float | None = Field(
        None, gt=0, description="Scale times rank; default the rank, for loha and dylora half of it."
    )
    conv_rank: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Rank of convolutions larger than 1×1; default 16 for locon, else the rank.",
    )
    conv_alpha: float | None = Field(
        None, gt=0, description="Alpha of those convolutions; default 1 for locon, else as alpha."
    )
    block_ranks: str = Field(
        "", description="Rank of each UNet block, 25 (SD 1.x, 2.x) or 23 (SDXL) with commas; 0 leaves a block out."
    )
    block_alphas: str = Field("", description="Alpha of each UNet block; without it every block keeps the run's scale.")
    conv_block_ranks: str = Field("", description="As block_ranks, for convolutions larger than 1×1.")
    conv_block_alphas: str = Field("", description="As block_alphas, for convolutions larger than 1×1.")
    layers: tuple[str, ...] = Field(
        (),
        description="PATTERN=ALGO:RANK/ALPHA, or parts of it, for layers whose name holds the pattern; the first fit counts.",
    )
    include: tuple[str, ...] = Field(
        (), description="Train only the preset's layers whose name holds one of these, as attn2 or ff_net_? do."
    )
    exclude: tuple[str, ...] = Field((), description="Leave out layers whose name holds one of these.")
    factor: int | None = Field(
        None, description="lokr: size of the smaller factor, default 8; -1 splits as evenly as possible."
    )
    decompose_both: bool = Field(False, description="lokr: split the smaller factor too.")
    dylora_unit: int = Field(4, ge=1, description="dylora: ranks trained at a time.")
    constraint: float = Field(
        0, ge=0, description="diag-oft, boft: how far a layer may be turned, as a share of its outputs; 0 is freely."
    )
    rescaled: bool = Field(False, description="diag-oft, boft: also learn the length of each output.")
    train_norm: bool = Field(False, description="Also train the norm layers inside the preset's blocks of the UNet.")
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
    preset: tuple[presets.Name | Layers, ...] = Field(
        (),
        description=f"A guide's settings beneath yours ({', '.join(presets.GUIDES)}), and which layers are trained: "
        f"{', '.join(get_args(Layers))}; default attn-mlp, for locon full.",
    )

    @field_validator("preset", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        given = (value,) if isinstance(value, str) else () if value is None else value
        known = (*presets.GUIDES, *get_args(Layers))
        for name in given if isinstance(given, list | tuple) else ():
            if isinstance(name, str) and name not in known:
                raise ValueError(f"unknown preset {name}; choose from {', '.join(known)}")
        return given

    @field_validator("preset", mode="after")
    @classmethod
    def _one_of_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        found = [name for name in value if name in presets.GUIDES]
        for kind, names in (
            ("guides", found),
            ("choices of layers", [name for name in value if name not in presets.GUIDES]),
        ):
            if len(names) > 1:
                raise ValueError(f"{', '.join(names)} are two {kind}: give one")
        return value

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        for name in BY_BLOCK:
            if text := getattr(self, name):
                block_numbers(name, text, name.endswith("ranks"))
        rules(self.layers, get_args(Algo))
        if self.factor is not None and self.factor != -1 and self.factor < 1:
            raise ValueError(
                f"factor {self.factor} splits nothing: give 1 or more, or -1 for as even a split as there is"
            )
        if self.algo == "dylora" and any((r or 128) % self.dylora_unit for r in (self.rank, self.conv_rank)):
            raise ValueError(f"dylora's rank is no multiple of dylora_unit {self.dylora_unit}")
        shaped = [o for o in SHAPED if getattr(self, o) != type(self).model_fields[o].default]
        if self.rank_from_file and shaped:
            raise ValueError(f"{', '.join(shaped)} has no effect with rank_from_file: the file says it")
        return self


BY_BLOCK = ("block_ranks", "block_alphas", "conv_block_ranks", "conv_block_alphas")
SHAPED = (
    *("algo", "rank", "alpha", "conv_rank", "conv_alpha", *BY_BLOCK, "layers", "include", "exclude"),
    *("factor", "decompose_both", "constraint", "rescaled", "train_norm", "tucker", "rs_lora", "dora", "preset"),
)
"""Options that `rank_from_file` leaves nothing to say."""


def algorithms(options: NetworkOptions) -> frozenset[str]:
    """Every algorithm that some layer may have."""
    return frozenset((options.algo, *(rule.algo for rule in rules(options.layers) if rule.algo)))


def _of(*algos: str) -> tuple[str, Callable[[NetworkOptions], bool]]:
    return f"algo {' or '.join(sorted(algos))}", lambda o: bool(algorithms(o) & set(algos))


NEEDS: dict[str, tuple[str, Callable[[NetworkOptions], bool]]] = {
    "rank_from_file": ("start_from", lambda o: bool(o.start_from)),
    **dict.fromkeys(("rank", "conv_rank", "block_ranks", "conv_block_ranks"), _of(*SCALED, *TURNING)),
    **dict.fromkeys(("alpha", "conv_alpha", "block_alphas", "conv_block_alphas"), _of(*SCALED)),
    **dict.fromkeys(("scalar", "rs_lora"), _of(*SPLIT, "glora")),
    **dict.fromkeys(("tucker", "dora"), _of(*SPLIT)),
    **dict.fromkeys(("factor", "decompose_both"), _of("lokr")),
    **dict.fromkeys(("constraint", "rescaled"), _of(*TURNING)),
    "dylora_unit": _of("dylora"),
    "rank_dropout": _of(*sorted(set(get_args(Algo)) - {"dylora"})),
    "scale_weight_norms": _of(*sorted(set(get_args(Algo)) - TURNING)),
}
UNKEYED: frozenset[str] = frozenset()
