"""Options of drawing: what is drawn, how, with which models, and what fits the card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from curate.core.options import Options
from curate.core.path_options import FilePath, ModelName
from curate.diffusion.family import Family, families
from curate.diffusion.samplers import Sampler, Spacing
from curate.errors import InputError
from curate.sampling.emphasis import Emphasis
from curate.sampling.prompts import Prompt, read_prompt, read_prompts
from curate.sampling.settings import PictureSettings, pictures_of, usual_of

Precision = Literal["auto", "fp32", "bf16", "fp16"]
_SKIPS = ", ".join(found.title for found in families().values() if found.clip_skip)


class PromptOptions(Options):
    """What is drawn."""

    prompt: tuple[str, ...] = Field(
        (),
        description="What to draw. It may end in flags: --n (negative prompt), --w and --h (size), --d (seed), "
        "--l (guidance), --s (steps), --ss (sampler). (word:1.2), (word) and [word] set weights; \\( is a plain "
        "parenthesis.",
    )
    prompts: FilePath = Field("", description="File of prompts: one prompt a line, or kohya's TOML or JSON.")
    negative: str = Field("", description="Negative prompt, for prompts without their own --n.")
    seed: int = Field(42, ge=0, description="Seed of the first picture of each prompt.")
    count: int = Field(1, ge=1, le=10_000, description="Pictures of each prompt. Each has the next seed.")


class PictureOptions(Options):
    """How it is drawn."""

    width: int | None = Field(
        None, ge=64, le=8192, multiple_of=8, description="Width in pixels. Default: the base's resolution."
    )
    height: int | None = Field(
        None, ge=64, le=8192, multiple_of=8, description="Height in pixels. Default: the base's resolution."
    )
    steps: int | None = Field(
        None, ge=1, le=1000, description="Number of sampling steps. Default: 30, or what suits the family."
    )
    guidance: float | None = Field(
        None,
        description="How much the prompt counts (CFG scale); 1 ignores the negative prompt. "
        "Default: 7.5, or what suits the family.",
    )
    guidance_rescale: float = Field(
        0,
        ge=0,
        le=1,
        description="Share of the contrast from guidance that is taken back; 0.7 suits zero terminal SNR.",
    )
    sampler: Sampler | None = Field(
        None, description="Sampling method. Default: euler_a; flow-matching models take euler (default) and heun."
    )
    spacing: Spacing = Field("normal", description="How the steps are spread over the noise levels (schedule type).")

    def usual_picture(self, side: int, family: Family, distilled: bool) -> PictureSettings:
        """What is given for every picture; `side` in pixels is the base's, and its family says what is not given.

        `distilled`: the base is the family's sibling that draws in few steps.
        """
        given = {name: getattr(self, name) for name in PictureOptions.model_fields}
        usual = usual_of(family, side - side % family.step, distilled)
        return replace(usual, **{name: value for name, value in given.items() if value is not None})


class ModelOptions(Options):
    """How the base is read."""

    clip_skip: int = Field(
        1, ge=1, le=12, description=f"Text encoder layer counted from the end ({_SKIPS}; anime models use 2)."
    )
    max_tokens: Literal[75, 150, 225] = Field(75, description="Longest prompt in tokens; the rest is cut off.")
    emphasis: Emphasis = Field(
        "original",
        description="What (word:1.2) and [word] in a prompt do. original: as in A1111 and kohya's sample pictures. "
        "no_norm: without restoring the mean, which some prefer for SDXL. none: brackets are plain text.",
    )
    prediction: Literal["auto", "epsilon", "v"] = Field(
        "auto", description="What the model predicts; auto: as the base says."
    )
    ztsnr: bool | None = Field(None, description="Zero terminal SNR. Default: as the base was trained.")
    text_encoder: ModelName = Field(
        "",
        description="Text encoder for a checkpoint file that holds the network alone: a file, a folder or a hub name.",
    )
    vae: ModelName = Field("", description="Use another VAE than the base's own: a file, a folder or a hub name.")
    tokenizer: ModelName = Field(
        "", description="Folder or hub name of CLIP's tokenizer, for checkpoints. Default: openai's."
    )
    precision: Precision = Field(
        "auto", description="Precision of the computation; auto is fp32 on a CPU and fp16 on a GPU."
    )
    batch: int = Field(1, ge=1, description="Pictures drawn at a time. This changes time and memory, not the pictures.")
    offload: bool = Field(
        False, description="Keep only the model in use on the GPU: text encoders, UNet and VAE in turn."
    )
    tiled: bool = Field(False, description="Decode in tiles of 512 pixels, for large pictures on small GPUs.")


def check_model_options(options: ModelOptions, family: Family) -> None:
    """Raises InputError that names what says nothing to a family with stored captions or flow matching."""
    wrong = ["clip_skip", "max_tokens", "emphasis"] if family.stored_text else []
    wrong += [] if family.stored_text else ["text_encoder"]
    wrong += ["prediction", "ztsnr"] if family.objective == "flow" else []
    given = [name for name in wrong if getattr(options, name) != ModelOptions.model_fields[name].default]
    if given:
        verb = "has" if len(given) == 1 else "have"
        raise InputError(f"{', '.join(given)} {verb} no effect on {family.title}", "leave it out")
    if options.precision not in ("auto", *family.precisions):
        able = " or ".join(family.precisions)
        raise InputError(f"precision {options.precision} overflows in {family.title}", f"choose {able}")


class DrawOptions(ModelOptions, PictureOptions, PromptOptions):
    """Everything about drawing but the base, LoRAs and places."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def read_prompts(self) -> list[Prompt]:
        """The prompts as given, then those of the file. Raises InputError for a wrong one, and for one without text."""
        if empty := next((number for number, text in enumerate(self.prompt, 1) if not text.strip()), 0):
            raise InputError(f"prompt {empty} is empty", "write what to draw, or leave the prompt out")
        given = [read_prompt(text.strip(), f"prompt {number}") for number, text in enumerate(self.prompt, 1)]
        return given + (read_prompts(Path(self.prompts).expanduser()) if self.prompts else [])

    def pictures(
        self, prompts: Sequence[Prompt], side: int, family: Family, distilled: bool = False
    ) -> list[PictureSettings]:
        """The pictures of prompts."""
        usual = replace(self.usual_picture(side, family, distilled), negative=self.negative, seed=self.seed)
        return pictures_of(prompts, usual, self.count)


class GridOptions(DrawOptions):
    """What a grid shows, and how it is drawn."""

    strengths: tuple[float, ...] = Field(
        (1.0,), min_length=1, description="Strengths of each LoRA; each gets its own column."
    )
    checkpoints: int | None = Field(
        None, ge=1, description="Show only so many of the LoRA files, evenly spread, including the last. Default: all."
    )


PANELS = {"Prompts": PromptOptions, "Pictures": PictureOptions, "Models and memory": ModelOptions}
UNKEYED = frozenset(("batch", "offload"))
"""Options that change nothing of a picture but rounding."""


def panel(option: str) -> str:
    """The heading of an option in help."""
    return next((title for title, group in PANELS.items() if option in group.model_fields), "Grid")
