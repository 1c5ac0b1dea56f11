"""The trainer's options: typed, with their defaults, and what a run without an explicit value gets."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Algo = Literal["lora", "locon", "loha", "lokr"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class TrainOptions(BaseModel):
    """Everything that decides a training run; what is None is settled by the algorithm, the base or the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str = Field("tiny", description="Base model: `tiny` (embedded, for trials), a diffusers folder, or a hub name.")
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
    schedule: Literal["constant", "cosine", "linear"] = Field("cosine", description="How the rate falls over the run.")
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
    min_snr: float = Field(0, ge=0, description="Min-SNR gamma: weighs easy timesteps down; 5 is usual, 0 is off.")

    save_state_every: int = Field(100, ge=1, description="Steps between checkpoints from which a rerun continues.")
    keep_states: int = Field(2, ge=1, description="Checkpoints kept.")

    @model_validator(mode="after")
    def _fits(self) -> TrainOptions:
        for option in ("factor", "decompose_both"):
            if option in self.model_fields_set and getattr(self, option) and self.algo != "lokr":
                raise ValueError(f"{option} has no effect with algo {self.algo}: it belongs to lokr")
        if self.unet_lr == 0 and self.text_lr == 0:
            raise ValueError("unet_lr and text_lr are both 0: nothing would be trained")
        return self


UNKEYED = frozenset(("output_dir", "save_state_every", "keep_states"))
"""Options that change no byte of the LoRA."""
