"""Options of an evaluation: which LoRAs are judged, by how many pictures, with which models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from curate.core.caption_encoding import CaptionEncoding
from curate.core.caption_options import ENCODING_HELP, FORM_HELP, CaptionForm, CaptionReading
from curate.core.conflicts import check_rules
from curate.core.counting import counted
from curate.core.options import Options
from curate.core.path_options import FilePath, HubFileName, ModelName
from curate.sampling.options import ModelOptions, PictureOptions

QUICK_PICTURES, QUICK_SEEDS = 8, 4
_QUICK = f"{counted(QUICK_PICTURES, 'picture')} with {counted(QUICK_SEEDS, 'seed')}"


class LoraOptions(Options):
    """What is judged."""

    lora: tuple[FilePath, ...] = Field(
        (),
        description="LoRA file to score, with a strength if you like: FILE:0.8. Default: those of the latest training.",
    )
    with_lora: tuple[FilePath, ...] = Field(
        (), description="LoRA file that all pictures are drawn with, those of the base too: FILE or FILE:0.5."
    )
    checkpoints: int | None = Field(
        None, ge=1, description="Score only so many of the LoRA files, evenly spread, including the last. Default: all."
    )
    base: ModelName = Field("", description="Base model: a folder, a file or a hub name. Default: the training's.")


class ProtocolOptions(Options):
    """By which pictures."""

    pictures: int = Field(100, ge=2, le=10_000, description="Pictures for each concept and kind of prompt.")
    seeds: int = Field(10, ge=2, le=1000, description="Pictures of each prompt, each with its own seed.")
    quick: bool = Field(
        False,
        description=f"For each concept and kind of prompt, draw only {_QUICK}.",
    )
    seed: int = Field(42, ge=0, description="Seed of the first picture of each prompt.")
    negative: str = Field("", description="Negative prompt of all pictures.")
    prompts: FilePath = Field(
        "", description="YAML file with your own prompts. Default: prompts.yaml beside the result."
    )
    caption_extension: str = Field(".txt", pattern=r"^\.\w+$", description="Ending of the caption files.")
    caption_form: CaptionForm = Field("auto", description=FORM_HELP)
    caption_encoding: CaptionEncoding = Field("auto", description=ENCODING_HELP)


class JudgeOptions(Options):
    """With which models, and where to."""

    dino: ModelName = Field("facebook/dinov2-base", description="DINOv2: a folder or a hub name.")
    clip: ModelName = Field("openai/clip-vit-base-patch32", description="CLIP: a folder or a hub name.")
    vgg: HubFileName = Field("timm/vgg19.tv_in1k", description="VGG19: a file, a folder or a hub name.")
    embed_batch: int = Field(
        16, ge=1, description="Pictures measured at a time. This changes time and memory, not the scores."
    )
    output_dir: FilePath = Field("", description="Folder for the result. Default: evaluation/ beside the LoRA files.")


class EvaluateOptions(ModelOptions, PictureOptions, JudgeOptions, ProtocolOptions, LoraOptions):
    """Everything about an evaluation."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_rules(self, (_quick, _checkpoints, _seeds))
        return self

    @property
    def count(self) -> int:
        """Pictures of a concept and kind."""
        return QUICK_PICTURES if self.quick else self.pictures

    @property
    def each(self) -> int:
        """Pictures of a prompt, where there are prompts enough."""
        return QUICK_SEEDS if self.quick else self.seeds

    @property
    def caption_reading(self) -> CaptionReading:
        """How captions are read."""
        return CaptionReading(self.caption_form, self.caption_encoding, self.caption_extension)


PANELS = {
    "LoRAs": LoraOptions,
    "Prompts and pictures": ProtocolOptions,
    "Drawing": PictureOptions,
    "Base and memory": ModelOptions,
    "Scoring models and places": JudgeOptions,
}
UNKEYED = frozenset(("batch", "offload", "embed_batch", "caption_form", "caption_encoding"))
"""Options that change nothing of a score but rounding, or whose effect is in the captions as they were read."""


def panel(option: str) -> str | None:
    """The heading of an option in help."""
    return next((title for title, group in PANELS.items() if option in group.model_fields), None)


def _quick(options: EvaluateOptions) -> Iterator[str]:
    fields = EvaluateOptions.model_fields
    given = [name for name in ("pictures", "seeds") if getattr(options, name) != fields[name].default]
    if options.quick and given:
        yield f"quick draws {_QUICK}: leave out {' and '.join(given)}"


def _checkpoints(options: EvaluateOptions) -> Iterator[str]:
    if options.checkpoints is not None and options.lora:
        yield "checkpoints chooses among the files of the latest training: leave it out beside lora"


def _seeds(options: EvaluateOptions) -> Iterator[str]:
    if options.seeds > options.pictures:
        yield f"seeds {options.seeds} is more than pictures {options.pictures}"
