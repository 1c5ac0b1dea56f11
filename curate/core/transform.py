"""Transform: how a person wants a picture turned, mirrored and cropped, before anything else is done with it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from curate.errors import InputError

if TYPE_CHECKING:
    from curate.core.env import Pixels

Crop = tuple[float, float, float, float]
"""Left, top, width and height as fractions (0 to 1) of a picture."""

LEAST_SIDE = 8
"""Pixels that a crop must leave on each side: the base models' latents have one value for 8 × 8 pixels."""

_DIGITS = 6
_WHOLE: Crop = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Transform:
    """Carried out in this order: turn, mirror, crop. Raises InputError for values that no picture can take.

    rotate  degrees clockwise: 0, 90, 180 or 270
    flip    mirrored left to right, as the picture is seen after turning
    crop    what stays of the upright picture, turned and mirrored; None for all of it
    """

    crop: Crop | None = None
    rotate: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        if self.rotate not in (0, 90, 180, 270):
            raise InputError(f"rotate is {self.rotate}", "give 0, 90, 180 or 270 degrees (clockwise)")
        if self.crop is None:
            return
        crop = _checked(self.crop)
        object.__setattr__(self, "crop", None if crop == _WHOLE else crop)

    @property
    def is_empty(self) -> bool:
        """Whether it leaves every picture as it is."""
        return self == Transform()

    @property
    def words(self) -> tuple[str, ...]:
        """What it does, as a summary says it."""
        parts = (("cropped", self.crop is not None), ("rotated", self.rotate != 0), ("flipped", self.flip))
        return tuple(word for word, present in parts if present)

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, in pixels, of what stays of a picture that is width × height when upright.

        They are meant after turning. Raises InputError where the crop leaves fewer than LEAST_SIDE pixels of a side.
        """
        if self.rotate in (90, 270):
            width, height = height, width
        if self.crop is None:
            return 0, 0, width, height
        left, top, share, tall = self.crop
        box = (round(left * width), round(top * height), round((left + share) * width), round((top + tall) * height))
        if min(box[2] - box[0], box[3] - box[1]) < LEAST_SIDE:
            size = f"{box[2] - box[0]}×{box[3] - box[1]}"
            raise InputError(
                f"the crop leaves {size} of {width}×{height} pixels", f"leave at least {LEAST_SIDE} pixels on each side"
            )
        return box

    def apply(self, pixels: Pixels) -> Pixels:
        """H×W×3 pixels of the upright picture, changed: a view of them. Raises InputError as `box` does."""
        left, top, right, bottom = self.box(pixels.shape[1], pixels.shape[0])
        if self.rotate in (90, 270):
            pixels = pixels.transpose(1, 0, 2)
        if self.rotate in (180, 270):
            pixels = pixels[::-1]
        # a turn to the right is rows and columns exchanged, then mirrored; a mirror after it takes that back
        if (self.rotate in (90, 180)) != self.flip:
            pixels = pixels[:, ::-1]
        return pixels[top:bottom, left:right]

    def then(self, second: Transform) -> Transform:
        """Both as one: `second` is meant of the picture that this one leaves."""
        left, top, width, height = self.crop or _WHOLE
        for _ in range(second.rotate // 90):
            left, top, width, height = 1 - top - height, left, height, width
        if second.flip:
            left = 1 - left - width
        inner = second.crop or _WHOLE
        crop = (left + inner[0] * width, top + inner[1] * height, inner[2] * width, inner[3] * height)
        turn = -second.rotate if self.flip else second.rotate
        return Transform(crop, (self.rotate + turn) % 360, self.flip != second.flip)

    def to_json(self) -> str:
        """Equal transforms give equal text."""
        return json.dumps(self.to_plain(), sort_keys=True)

    def to_plain(self) -> dict[str, Any]:
        """JSON-able values, as the review page takes them."""
        return {"crop": list(self.crop) if self.crop else None, "rotate": self.rotate, "flip": self.flip}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """The transform of `to_plain`'s values, from wherever they come. Raises InputError."""
        unknown = sorted(plain.keys() - {"crop", "rotate", "flip"})
        if unknown:
            raise InputError(f"a transform has no {', '.join(unknown)}", "give crop, rotate and flip")
        crop, rotate, flip = plain.get("crop"), plain.get("rotate", 0), plain.get("flip", False)
        if not isinstance(flip, bool):
            raise InputError(f"flip is {flip!r}", "give true or false")
        if isinstance(rotate, bool) or not isinstance(rotate, int):
            raise InputError(f"rotate is {rotate!r}", "give 0, 90, 180 or 270 degrees (clockwise)")
        if crop is not None and not isinstance(crop, list | tuple):
            raise InputError(f"crop is {crop!r}", _CROP_HINT)
        return cls(tuple(crop) if crop is not None else None, rotate, flip)  # type: ignore[arg-type] – checked there


_CROP_HINT = "give left, top, width and height as fractions of the picture, or null for all of it"


def _checked(crop: Any) -> Crop:
    """Four fractions within the picture, rounded so that equal crops are equal."""
    values = tuple(crop)
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
    if len(values) != 4 or len(numbers) != 4:
        raise InputError(f"crop is {list(values)}", _CROP_HINT)
    left, top, width, height = (round(float(v), _DIGITS) for v in numbers)
    slack = 10**-_DIGITS * 2
    if min(left, top) < 0 or min(width, height) <= 0 or max(left + width, top + height) > 1 + slack:
        raise InputError(f"the crop {list(values)} is not within the picture", _CROP_HINT)
    return left, top, min(width, round(1 - left, _DIGITS)), min(height, round(1 - top, _DIGITS))
