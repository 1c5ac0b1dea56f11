"""What is learned: algorithm, size, layers and what holds it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, WithJsonSchema, field_validator

from curate.adapters.algorithm import algorithm
from curate.core.path_options import FilePath
from curate.core.registry import names_schema, nearest
from curate.diffusion.family import by_blocks
from curate.diffusion.layer_names import PRESETS
from curate.train.options import algorithms, presets
from curate.train.options.layer_rules import Rule, block_numbers, rules

ALPHAS = {"rank": "the rank", "half": "half the rank"}
"""Rules by which an alpha follows from the rank, in words."""

LAYERS = (*PRESETS, *(preset for found in algorithms.choices().values() for preset in found.presets))
"""LyCORIS' names for which layers are trained, and algorithms' own."""


class NetworkOptions(BaseModel):
    """What is learned: algorithm, size, layers and what holds it back."""

    start_from: FilePath = Field(
        "",
        description=(
            "LoRA file or PEFT folder to continue from, made with curate, kohya, LyCORIS, diffusers or "
            "PEFT, with the same layers."
        ),
    )
    rank_from_file: bool = Field(
        False, description="Take layers, algorithm, ranks and alphas from start_from instead of from the options."
    )
    algo: Annotated[str, AfterValidator(algorithms.known), WithJsonSchema(names_schema(list(algorithms.choices())))] = (
        Field(
            "lora",
            description=f"{algorithms.short_help()}; or the dotted path of a module with an algorithm.",
            examples=list(algorithms.choices()),
        )
    )
    rank: int | None = Field(
        None, ge=1, le=1_000_000, description=f"Rank; {algorithms.defaults(algorithms.rank_text, 'rank')}."
    )
    alpha: float | None = Field(
        None,
        gt=0,
        description=f"Alpha: changes are scaled by alpha/rank; "
        f"{algorithms.defaults(lambda a: ALPHAS[a.alpha], 'alpha')}.",
    )
    conv_rank: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Rank of convolutions larger than 1×1; "
        f"{algorithms.defaults(lambda a: algorithms.conv_text(a.conv_rank, 'the rank'), 'rank')}.",
    )
    conv_alpha: float | None = Field(
        None,
        gt=0,
        description="Alpha of convolutions larger than 1×1; "
        f"{algorithms.defaults(lambda a: algorithms.conv_text(a.conv_alpha, 'as alpha'), 'alpha')}.",
    )
    block_ranks: str = Field(
        "",
        description="Rank of each UNet block: "
        f"{' or '.join(f'{count} ({titles})' for count, titles in by_blocks().items())} "
        "numbers separated by commas; 0 leaves a block out.",
    )
    block_alphas: str = Field("", description="Alpha of each UNet block. Default: the alpha/rank ratio of the run.")
    conv_block_ranks: str = Field("", description="Like block_ranks, for convolutions larger than 1×1.")
    conv_block_alphas: str = Field("", description="Like block_alphas, for convolutions larger than 1×1.")
    layers: tuple[str, ...] = Field(
        (),
        description=(
            "Settings for some layers: PATTERN=ALGO:RANK/ALPHA, for example attn2=lora:16/8; each "
            "part may be left out. PATTERN matches any part of a layer's name. The first match "
            "applies."
        ),
    )
    include: tuple[str, ...] = Field(
        (),
        description="Train only those layers of the preset whose name contains one of these, for "
        "example attn2 or ff_net_?.",
    )
    exclude: tuple[str, ...] = Field((), description="Do not train layers whose name contains one of these.")
    factor: int | None = Field(
        None,
        description=f"{algorithms.takers('factor')}: size of the smaller matrix, default 8; -1 splits as evenly as "
        "possible.",
    )
    decompose_both: bool = Field(
        False, description=f"{algorithms.takers('decompose_both')}: factorize the smaller matrix too."
    )
    dylora_unit: int = Field(
        4, ge=1, description=f"{algorithms.takers('dylora_unit')}: number of ranks trained at a time."
    )
    constraint: float = Field(
        0,
        ge=0,
        description=f"{algorithms.takers('constraint')}: how far a layer may be rotated, as a share of its outputs; "
        "0 sets no limit.",
    )
    rescaled: bool = Field(
        False, description=f"{algorithms.takers('rescaled')}: also train a scale for each output channel."
    )
    train_norm: bool = Field(False, description="Also train the norm layers inside the preset's blocks of the UNet.")
    tucker: bool = Field(
        False,
        description=("Factorize convolutions larger than 1×1 with a third, small matrix for the kernel (Tucker)."),
    )
    scalar: bool = Field(
        False,
        description=("Train an extra scale per layer, starting at zero; it is merged into the weights on saving."),
    )
    rs_lora: bool = Field(False, description="Scale by alpha/√rank, so that high ranks keep their strength.")
    dora: bool = Field(False, description="DoRA: train the direction and the length of each weight column separately.")
    dropout: float = Field(
        0, ge=0, lt=1, description="Share of an adapter's inner values to drop in each step; 0.1 to 0.5 is usual."
    )
    rank_dropout: float = Field(
        0, ge=0, lt=1, description="Share of the ranks to drop in each step; 0.1 to 0.3 is usual."
    )
    module_dropout: float = Field(
        0, ge=0, lt=1, description="Chance that a step skips a layer's adapter; 0.1 to 0.3 is usual."
    )
    scale_weight_norms: float = Field(
        0,
        ge=0,
        description="Largest norm of ΔW that a layer may have. 1 suits LoRAs that will be combined; 0: off.",
    )
    guide: Annotated[str, WithJsonSchema({"enum": ["", *presets.guides()], "type": "string"})] = Field(
        "",
        description=f"Use the settings of a guide ({', '.join(presets.guides())}). Your own options override them.",
        examples=list(presets.guides()),
    )
    layer_preset: Annotated[str, WithJsonSchema({"enum": ["", *LAYERS], "type": "string"})] = Field(
        "",
        description=f"Layers to train, by the names of LyCORIS presets: {', '.join(LAYERS)}; "
        f"{algorithms.defaults(lambda a: a.layers)}.",
        examples=list(LAYERS),
    )

    @field_validator("guide", mode="after")
    @classmethod
    def _known_guide(cls, value: str) -> str:
        if value and value not in presets.guides():
            raise ValueError(f'unknown guide "{value}": {nearest(value, list(presets.guides()))}')
        return value

    @field_validator("layer_preset", mode="after")
    @classmethod
    def _known_layers(cls, value: str) -> str:
        known = (*PRESETS, *(p for a in algorithms.choices().values() for p in a.presets))
        if value and value not in known:
            raise ValueError(f'unknown layer preset "{value}": {nearest(value, known)}')
        return value

    @field_validator("factor", mode="after")
    @classmethod
    def _splitting(cls, value: int | None) -> int | None:
        if value is not None and value != -1 and value < 1:
            raise ValueError(f"factor {value} splits nothing: give 1 or more, or -1 for as even a split as there is")
        return value

    @field_validator("layers", mode="after")
    @classmethod
    def _known_rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for rule in rules(value):
            _known_in_rule(rule)
        return value

    @field_validator("block_ranks", "block_alphas", "conv_block_ranks", "conv_block_alphas", mode="after")
    @classmethod
    def _block_numbers(cls, value: str, info: ValidationInfo) -> str:
        name = info.field_name or ""
        if value:
            block_numbers(name, value, name.endswith("ranks"))
        return value


def _rank_units(options: NetworkOptions) -> Iterator[str]:
    own = algorithm(options.algo)
    ranks = [rank or own.rank for rank in (options.rank, options.conv_rank)]
    if "dylora_unit" in own.options and any(rank % options.dylora_unit for rank in ranks):
        yield f"{options.algo}'s rank is not a multiple of dylora_unit {options.dylora_unit}"


def _shape_of_file(options: NetworkOptions) -> Iterator[str]:
    if not options.rank_from_file:
        return
    shaped = [o for o in SHAPED if getattr(options, o) != NetworkOptions.model_fields[o].default]
    if shaped:
        verb = "has" if len(shaped) == 1 else "have"
        yield f"{', '.join(shaped)} {verb} no effect with rank_from_file: the file says it"


CONFLICTS = (_rank_units, _shape_of_file)
"""What does not go together, a sentence each."""

BY_BLOCK = ("block_ranks", "block_alphas", "conv_block_ranks", "conv_block_alphas")
SHAPED = (
    *("algo", "rank", "alpha", "conv_rank", "conv_alpha", *BY_BLOCK, "layers", "include", "exclude"),
    *(
        "factor",
        "decompose_both",
        "constraint",
        "rescaled",
        "train_norm",
        "tucker",
        "rs_lora",
        "dora",
        "guide",
        "layer_preset",
    ),
)
"""Options that `rank_from_file` leaves nothing to say."""


def _known_in_rule(rule: Rule) -> None:
    try:
        if rule.algo:
            algorithms.known(rule.algo)
    except ValueError as error:
        raise ValueError(f"layers: {rule.pattern}={rule.algo}: {error}") from error


NEEDS: dict[str, tuple[str, Callable[[NetworkOptions], bool]]] = {
    "rank_from_file": ("start_from", lambda o: bool(o.start_from)),
    **algorithms.needs(),
}
UNKEYED: frozenset[str] = frozenset()
