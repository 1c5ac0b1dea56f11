"""Options with every default worked out for an algorithm, a base model and a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from curate.adapters.algorithm import JOINABLE, algorithm
from curate.diffusion.family import Family
from curate.errors import InputError
from curate.train.options import TrainOptions
from curate.train.options.optimizer import OWN_SCHEDULE, Schedule, finds_rate, relative_step

if TYPE_CHECKING:
    import torch

WARMUP = 0.05
FULL = 100_000
"""A rank that no layer reaches: the custom way to ask for a full matrix."""


@dataclass(frozen=True)
class Ranks:
    """Rank and alpha of linear layers and 1×1 convolutions, and of larger kernels."""

    rank: int
    alpha: float
    conv_rank: int
    conv_alpha: float


def ranks(options: TrainOptions) -> Ranks:
    """Rank and alpha as given, or the algorithm's."""
    own = algorithm(options.algo)
    rank = options.rank or (FULL if own.full_matrix else own.rank)
    # a rate that is found makes up for a small scale; a full matrix has none
    found = adaptive(options) and not own.full_matrix
    usual = rank / 2 if own.alpha == "half" else float(rank)
    alpha = options.alpha or (1.0 if found else usual)
    if own.conv_rank is not None and own.conv_alpha is not None:
        return Ranks(rank, alpha, options.conv_rank or own.conv_rank, options.conv_alpha or own.conv_alpha)
    conv_rank = options.conv_rank or rank
    return Ranks(rank, alpha, conv_rank, options.conv_alpha or alpha * conv_rank / rank)


@dataclass(frozen=True)
class Flow:
    """How a flow model's σ is drawn, as given or as its family's default."""

    sampling: Literal["uniform", "logit-normal", "mode"]
    shift: float
    dynamic_shift: bool


def flow(options: TrainOptions, family: Family) -> Flow:
    """The draw of σ. Raises InputError for a dynamic shift that the family has not."""
    own = family.draw
    usual: Literal["uniform", "logit-normal", "mode"] = own.get("timestep_sampling", "logit-normal")
    sampling = usual if options.timestep_sampling == "auto" else options.timestep_sampling
    dynamic = options.dynamic_shift
    if dynamic is None:
        dynamic = options.flow_shift is None and bool(own.get("dynamic_shift"))
    if dynamic and family.shift_line is None:
        raise InputError(f"dynamic_shift has no effect on {family.title}: it was trained with one shift", "flow_shift")
    shift = float(own.get("flow_shift", 1.0)) if options.flow_shift is None else options.flow_shift
    return Flow(sampling, shift, dynamic)


def file_names(options: TrainOptions, family: Family) -> str:
    """Whose names the LoRA file has: kohya, diffusers or comfyui."""
    if options.names != "auto":
        return options.names
    joins = algorithm(options.algo).stored in JOINABLE and not options.dora
    return (family.joined_names if joins else "") or family.file_names


def layer_preset(options: TrainOptions, family: Family) -> str:
    """The choice of layers as given, or the algorithm's own, or the family's, or what the algorithm takes of SD's."""
    own = algorithm(options.algo)
    usual = own.layers if own.layers in own.presets else family.layers or own.layers
    return options.layer_preset or usual


def adaptive(options: TrainOptions) -> bool:
    """Whether the optimizer finds its own rate."""
    return finds_rate(options.optimizer)


def learning_rate(options: TrainOptions) -> float:
    """As given, or the optimizer's."""
    return options.learning_rate or (1.0 if adaptive(options) else algorithm(options.algo).rate)


def part_rate(options: TrainOptions, part: str) -> float:
    """The learning rate of unet, te1 or te2; 0 leaves the part out."""
    if part == "unet":
        return learning_rate(options) if options.unet_lr is None else options.unet_lr
    # one distance is estimated for all parts, so that halving it for one is the user's choice to make
    share = 1.0 if adaptive(options) else 0.5
    return learning_rate(options) * share if options.text_lr is None else options.text_lr


def schedule(options: TrainOptions) -> Schedule:
    """As given, or the optimizer's."""
    constant = options.optimizer in OWN_SCHEDULE or relative_step(options)
    return options.schedule or ("constant" if constant else "cosine")


def warmup(options: TrainOptions) -> float:
    """Steps, or below 1 a share of the run."""
    if options.warmup is None:
        return WARMUP if options.schedule == "constant-with-warmup" else 0.0
    return options.warmup


def length(options: TrainOptions, steps_per_epoch: int, pictures: int, showings: int) -> tuple[int, int]:
    """(steps, epochs): epochs win over steps; without either each picture is shown about `showings` times."""
    if options.epochs is None and options.steps is not None:
        return options.steps, -(-options.steps // steps_per_epoch)
    epochs = options.epochs or max(1, round(options.showings * pictures / showings))
    return epochs * steps_per_epoch, epochs


def precision(options: TrainOptions, device: torch.device) -> torch.dtype:
    """The dtype of the computation."""
    import torch

    usual = "fp32" if device.type == "cpu" else "bf16"
    wanted = usual if options.precision == "auto" else options.precision
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[wanted]


def text_stop(options: TrainOptions, steps: int) -> int | None:
    """The step, counted from 0, from which the text encoders stay as they are; None where they never stop."""
    after = options.stop_text_after
    if not after:
        return None
    return max(1, round(after * steps if after < 1 else after))


def files(options: TrainOptions, steps: int, steps_per_epoch: int) -> int:
    """LoRA files that are there at once at most: the finished one, and those saved along the way."""
    each = (options.save_every_n_steps, options.save_every_n_epochs * steps_per_epoch)
    along = sum((steps - 1) // every for every in each if every)
    return 1 + (min(along, options.keep_saves + 1) if options.keep_saves else along)


def warmup_steps(options: TrainOptions, steps: int) -> int:
    """Steps of rising rate; a number below 1 is a share of the run."""
    given = warmup(options)
    return round(given * steps) if given < 1 else round(given)


def revision(options: TrainOptions) -> int:
    """Rises where an earlier version made another LoRA of the same options; 0 where none did."""
    rates = {part_rate(options, part) for part in ("unet", "te1", "te2")} - {0.0}
    return int(options.optimizer == "adafactor" or (adaptive(options) and len(rates) > 1))
