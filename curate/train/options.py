"""The trainer's options: typed, with their defaults, and what a run without an explicit value gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Algo = Literal["lora", "locon", "loha", "lokr"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


OPTIMIZERS = ("adamw", "adamw8bit", "adafactor", "lion", "prodigy", "sgd")


class TrainOptions(BaseModel):
    """Everything that decides a training run; what is None is settled by the algorithm, the base or the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str = Field(
        "tiny",
        description="SD 1.x, SD 2.x or SDXL: a diffusers folder, a checkpoint, a hub name, or `tiny` (embedded, for trials).",
    )
    tokenizer: str = Field("", description="Folder or hub name of CLIP's tokenizer, for checkpoints; default openai's.")
    output_name: str = Field(
        "", description="Name of the LoRA file; without one the trigger, or with several concepts the folder's name."
    )
    output_dir: str = Field("", description="Folder for the LoRA file; without one FOLDER/lora.")

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

    epochs: int | None = Field(None, ge=1, description="Times through the data; default about 100 showings of each picture.")
    steps: int | None = Field(None, ge=1, description="Optimiser steps; epochs win where both are given.")
    batch: int = Field(1, ge=1, description="Pictures per forward pass.")
    accumulate: int = Field(1, ge=1, description="Forward passes per optimiser step.")
    seed: int = Field(42, ge=0, description="Seed of every random draw.")
    learning_rate: float = Field(1e-4, gt=0, description="Learning rate.")
    unet_lr: float | None = Field(None, ge=0, description="Learning rate of the UNet; default learning_rate, 0 leaves it out.")
    text_lr: float | None = Field(
        None, ge=0, description="Learning rate of the text encoder; default half of learning_rate, 0 leaves it out."
    )
    optimizer: str = Field("adamw", description=f"{', '.join(OPTIMIZERS)}, or module.Class; prodigy finds its own rate.")
    optimizer_args: tuple[str, ...] = Field(
        (), description="Further arguments of the optimiser, each as name=value: betas=0.9,0.99."
    )
    schedule: Literal["constant", "cosine", "cosine-restarts", "linear", "polynomial"] = Field(
        "cosine", description="How the rate falls over the run."
    )
    cycles: int = Field(1, ge=1, description="cosine-restarts: how often the rate starts anew.")
    power: float = Field(1.0, gt=0, description="polynomial: the exponent.")
    warmup: float = Field(0, ge=0, description="Steps of rising rate at the start; below 1 a share of the run.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay.")
    max_grad_norm: float = Field(1.0, ge=0, description="Gradients are scaled down to this norm; 0 leaves them.")
    precision: Precision = Field("auto", description="Of the computation: auto is fp32 on a CPU and bf16 on a GPU.")
    save_precision: Literal["fp32", "fp16", "bf16"] = Field("fp16", description="Of the LoRA file.")

    resolution: int | None = Field(
        None, ge=64, description="Square root of the pixels trained at; default the base model's own."
    )
    bucket_step: int | None = Field(
        None, ge=8, multiple_of=8, description="Step of bucket sizes; default 64 (32 below a resolution of 256)."
    )
    bucket_min: int | None = Field(None, ge=64, description="Shortest bucket side; default half the resolution.")
    bucket_max: int | None = Field(None, ge=64, description="Longest bucket side; default twice the resolution.")
    upscale: bool = Field(True, description="Enlarge pictures smaller than their bucket.")

    caption_extension: str = Field(".txt", pattern=r"^\.\w+$", description="Ending of caption files.")
    max_tokens: Literal[75, 150, 225] = Field(75, description="Caption tokens that are used.")
    clip_skip: int = Field(1, ge=1, le=12, description="Text encoder layer counted from the end (SD 1.x; anime models use 2).")
    shuffle: bool = Field(False, description="Shuffle a caption's tags behind the kept ones each time.")
    keep_tokens: int | None = Field(None, ge=0, description="Tags kept in front when shuffling; default those of the trigger.")
    caption_separator: str = Field(",", min_length=1, description="What stands between tags.")
    caption_dropout: float = Field(0, ge=0, le=1, description="Chance that a picture is shown without its caption.")
    caption_dropout_every_n_epochs: int = Field(0, ge=0, description="Drop all captions in every n-th epoch; 0 is never.")
    tag_dropout: float = Field(0, ge=0, lt=1, description="Chance of each tag behind the kept ones to be left out.")
    flip: bool = Field(False, description="Show pictures mirrored half of the time; not for asymmetric subjects.")

    prediction: Literal["auto", "epsilon", "v"] = Field(
        "auto", description="What the base predicts; auto reads it off the base."
    )
    ztsnr: bool | None = Field(None, description="Zero terminal SNR (v-prediction only); default as the base was trained.")
    min_timestep: int = Field(0, ge=0, le=998, description="Lowest timestep trained.")
    max_timestep: int = Field(1000, ge=1, le=1000, description="Timesteps below this are trained.")
    loss: Literal["l2", "huber", "smooth-l1"] = Field("l2", description="How errors are measured; huber minds outliers less.")
    huber_c: float = Field(0.1, gt=0, lt=1, description="Where huber and smooth-l1 turn from square to straight.")
    huber_schedule: Literal["constant", "exponential", "snr"] = Field("snr", description="How huber_c follows the timestep.")
    min_snr: float = Field(0, ge=0, description="Min-SNR gamma: weighs easy timesteps down; 5 is usual, 0 is off.")
    debiased: bool = Field(False, description="Debiased estimation: weighs by 1/√SNR.")
    p2: float = Field(0, ge=0, description="P2 weighting: gamma; 0 is off.")
    v_like: float = Field(0, ge=0, description="Adds this much of a v-prediction-like loss (epsilon only).")
    scale_v: bool = Field(False, description="Weighs v-prediction as epsilon would be.")
    noise_offset: float = Field(0, ge=0, description="Learns brighter and darker pictures; .05 to .1 is usual, 0 is off.")
    noise_offset_random: bool = Field(False, description="Noise offset of a random strength up to noise_offset.")
    adaptive_noise: float = Field(0, description="Adds this times the latent's mean to the noise offset.")
    multires_steps: int = Field(0, ge=0, le=20, description="Levels of multi-resolution noise; 6 to 10 is usual, 0 is off.")
    multires_discount: float = Field(0.3, gt=0, lt=1, description="Weight of each coarser level; .1 to .3 is usual.")
    ip_noise: float = Field(0, ge=0, description="Input perturbation: noise the target does not hold; .1 is usual, 0 is off.")
    ip_noise_random: bool = Field(False, description="Input perturbation of a random strength up to ip_noise.")

    save_every_n_epochs: int = Field(0, ge=0, description="Also save a LoRA file after every n-th epoch; 0 is never.")
    gradient_checkpointing: bool = Field(False, description="Less memory for a fifth to a third more time; same result.")
    save_state_every: int = Field(100, ge=1, description="Steps between checkpoints from which a rerun continues.")
    keep_states: int = Field(2, ge=1, description="Checkpoints kept.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        # an option that was given and could do nothing is a mistake to be told of, not to be passed over
        given = {o for o in self.model_fields_set if getattr(self, o) != type(self).model_fields[o].default}
        for option, (needed, works) in NEEDS.items():
            if option in given and not works(self):
                raise ValueError(f"{option} has no effect without {needed}")
        if self.unet_lr == 0 and self.text_lr == 0:
            raise ValueError("unet_lr and text_lr are both 0: nothing would be trained")
        if self.min_timestep >= self.max_timestep:
            raise ValueError(f"min_timestep {self.min_timestep} is not below max_timestep {self.max_timestep}")
        if self.ztsnr and self.prediction == "epsilon":
            raise ValueError("ztsnr needs v-prediction: at zero SNR the noise cannot be told from the input")
        if self.optimizer not in OPTIMIZERS and "." not in self.optimizer:
            raise ValueError(f"unknown optimizer {self.optimizer}; choose from {', '.join(OPTIMIZERS)}, or give module.Class")
        return self


NEEDS: dict[str, tuple[str, Callable[[TrainOptions], bool]]] = {
    "factor": ("algo lokr", lambda o: o.algo == "lokr"),
    "decompose_both": ("algo lokr", lambda o: o.algo == "lokr"),
    "cycles": ("schedule cosine-restarts", lambda o: o.schedule == "cosine-restarts"),
    "power": ("schedule polynomial", lambda o: o.schedule == "polynomial"),
    "keep_tokens": ("shuffle or tag_dropout", lambda o: o.shuffle or o.tag_dropout > 0),
    "caption_separator": ("shuffle or tag_dropout", lambda o: o.shuffle or o.tag_dropout > 0),
    "huber_c": ("loss huber or smooth-l1", lambda o: o.loss != "l2"),
    "huber_schedule": ("loss huber or smooth-l1", lambda o: o.loss != "l2"),
    "noise_offset_random": ("noise_offset", lambda o: o.noise_offset > 0),
    "multires_discount": ("multires_steps", lambda o: o.multires_steps > 0),
    "ip_noise_random": ("ip_noise", lambda o: o.ip_noise > 0),
    "bucket_min": ("upscale", lambda o: o.upscale),
    "bucket_max": ("upscale", lambda o: o.upscale),
}
"""Options that do something only beside others: what they need, in words and as a test."""


UNKEYED = frozenset(("output_dir", "gradient_checkpointing", "save_state_every", "keep_states"))
"""Options that change no byte of the LoRA."""
