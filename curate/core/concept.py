"""Concept: what the user says of one concept folder."""

from __future__ import annotations

from pydantic import Field

from curate.core.caption_encoding import CaptionEncoding
from curate.core.caption_options import CaptionForm
from curate.core.kinds import Kind
from curate.core.options import Options


class Concept(Options):
    """What the user says of one concept folder under `concepts:`."""

    trigger: tuple[str, ...] = Field(default=(), description="Trigger words, first in every caption, in this order.")
    kind: Kind = Field(default="object", description="What the LoRA should learn. The advice depends on it.")
    class_word: str = Field(
        default="", description="The class the concept belongs to (dog, robe), for regularization and prompts."
    )
    weight: float = Field(default=1.0, gt=0, description="How often the concept is shown, relative to the others.")
    repeats: int | None = Field(default=None, ge=1, description="Use this number of repeats instead of a balanced one.")
    absorb: tuple[str, ...] = Field(
        default=(), description="Tags to remove from captions because they belong to the trigger."
    )
    caption_form: CaptionForm | None = Field(
        default=None, description="How its captions are written, instead of the pipeline's caption_form."
    )
    caption_encoding: CaptionEncoding | None = Field(
        default=None, description="Encoding of its captions, instead of the pipeline's caption_encoding."
    )
    flip: tuple[str, ...] = Field(
        default=(), description="Pictures to mirror, so that an asymmetric subject faces one way."
    )
