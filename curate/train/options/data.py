"""What is shown: sizes, captions, mirroring."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, Field

from curate import samples
from curate.captions import EXTENSIONS
from curate.core.caption_encoding import CaptionEncoding
from curate.core.caption_options import ENCODING_HELP, FORM_HELP, CaptionForm, CaptionReading, CaptionVariants
from curate.core.path_options import PathOption


def _sides(value: Any) -> Any:
    """One number as itself, several (`512,768`, a list, an option given twice) each once, smallest first."""
    several = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value]
    sides = [one for part in several for one in (part.split(",") if isinstance(part, str) else [part])]
    if value is None:
        return None
    good = [isinstance(one, int) or (isinstance(one, str) and one.strip().isdigit()) for one in sides]
    numbers = sorted({int(one) for one, right in zip(sides, good, strict=True) if right})
    if not numbers or not all(good) or value is True or value is False:
        raise ValueError(f"takes a number such as 512, or several such as 512,768, not {value!r}")
    if not SMALLEST <= numbers[0] <= numbers[-1] <= LARGEST:
        raise ValueError(f"must be from {SMALLEST} to {LARGEST:,}, not {value!r}")
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


SMALLEST, LARGEST = 64, 8192
Side = Annotated[int, Field(ge=SMALLEST, le=LARGEST)]
Sides = Annotated[tuple[Side, ...], Field(min_length=2)]


class DataOptions(BaseModel):
    """What is shown: sizes, captions, mirroring."""

    resolution: Annotated[Side | Sides | None, BeforeValidator(_sides)] = Field(
        None,
        description=(
            "Training resolution. Pictures are scaled to about the area of this × this pixels. "
            "With several (512,768,1024) each picture is trained at each of them. Default: the base model's own."
        ),
    )
    bucket_step: int | None = Field(
        None,
        ge=8,
        multiple_of=8,
        description="Step between bucket sizes. Default: 64 (32 below a resolution of 256).",
    )
    bucket_min: int | None = Field(None, ge=64, description="Shortest side of a bucket. Default: half the resolution.")
    bucket_max: int | None = Field(None, ge=64, description="Longest side of a bucket. Default: twice the resolution.")
    upscale: bool = Field(True, description="Enlarge pictures that are smaller than their bucket.")
    caption_extension: str = Field(
        ".txt",
        pattern=r"^\.\w+$",
        description=(
            "Extension of caption files. If a picture has no .txt file, its .caption file is used, and vice versa. "
            "With .json, each file lists several captions, and one is drawn each time the picture is shown."
        ),
    )
    caption_variants: CaptionVariants = Field(
        "one",
        description=(
            "Several captions per picture, of which one is drawn each time it is shown. "
            "lines: each line of the file is a caption; files: the .txt file and the .caption file are both used."
        ),
    )
    caption_wildcards: bool = Field(
        False,
        description=(
            "Read {red|blue} in captions as a choice: one is drawn each time the picture is shown. "
            "Write {{ and }} for braces."
        ),
    )
    caption_form: CaptionForm = Field("auto", description=FORM_HELP)
    caption_encoding: CaptionEncoding = Field("auto", description=ENCODING_HELP)
    shuffle: bool = Field(False, description="Shuffle the tags in each step, except the first keep_tokens.")
    keep_tokens: int | None = Field(
        None,
        ge=0,
        description="Number of tags at the start that shuffling keeps in place. Default: the number of trigger words.",
    )
    caption_separator: str = Field(",", min_length=1, description="Text between two tags.")
    caption_dropout: float = Field(0, ge=0, le=1, description="Chance that a picture is trained without its caption.")
    caption_dropout_every_n_epochs: int = Field(0, ge=0, description="Drop all captions in every n-th epoch; 0: off.")
    tag_dropout: float = Field(
        0, ge=0, lt=1, description="Chance that a tag is left out, except the first keep_tokens."
    )
    flip: bool = Field(
        False, description="Mirror pictures at random, half of the time. Do not use it for asymmetric subjects."
    )
    masked_loss: bool = Field(
        False, description="Use the masks in FOLDER/masks: the loss is computed only where they are white."
    )
    reg_folder: Annotated[str, PathOption(carried=(samples.REGULARIZATION,))] = Field(
        "",
        description="Folder of N_class sub-folders with regularization pictures: the class without your concept. "
        f"`{samples.REGULARIZATION}`: pictures for the base `toy`.",
    )
    prior_loss_weight: float = Field(1.0, ge=0, description="Weight of the loss of regularization pictures.")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """The resolutions that are given, smallest first; none for the base's own."""
        if self.resolution is None:
            return ()
        return self.resolution if isinstance(self.resolution, tuple) else (self.resolution,)

    @property
    def largest_resolution(self) -> int | None:
        """The largest of them."""
        return max(self.resolutions, default=None)

    @property
    def regularization(self) -> Path | None:
        """The folder of regularization pictures."""
        return samples.regularization_folder(self.reg_folder) if self.reg_folder else None

    @property
    def caption_reading(self) -> CaptionReading:
        """How captions are read."""
        return CaptionReading(
            self.caption_form,
            self.caption_encoding,
            self.caption_extension,
            self.caption_variants,
            self.caption_wildcards,
        )


def _variants(options: DataOptions) -> Iterator[str]:
    if options.caption_reading.is_list and options.caption_variants != "one":
        yield "caption_variants has no effect with .json files, which list several captions themselves"
    elif options.caption_variants == "files" and options.caption_extension not in EXTENSIONS:
        yield "caption_variants files means .txt and .caption files: leave caption_extension out"
    if options.caption_variants == "lines" and options.caption_form == "lines":
        yield "caption_form lines means one tag a line, caption_variants lines one caption: give one"


CONFLICTS = (_variants,)
"""What does not go together, a sentence each."""

NEEDS: dict[str, tuple[str, Callable[[DataOptions], bool]]] = {
    "keep_tokens": ("shuffle or tag_dropout", lambda o: o.shuffle or o.tag_dropout > 0),
    "caption_separator": ("shuffle or tag_dropout", lambda o: o.shuffle or o.tag_dropout > 0),
    "prior_loss_weight": ("reg_folder", lambda o: bool(o.reg_folder)),
    "bucket_min": ("upscale", lambda o: o.upscale),
    "bucket_max": ("upscale", lambda o: o.upscale),
}
UNKEYED = frozenset({"caption_form", "caption_encoding", "caption_variants"})
"""They change the captions that are read, and those are part of the data."""
