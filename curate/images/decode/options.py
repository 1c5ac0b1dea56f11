"""How a file is to be decoded, and what decoding gives; light enough to import anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from curate.core.stage import Pixels
from curate.errors import InputError

MAX_PIXELS = 178_956_970
"""The size at which Pillow's own default refuses a picture as a decompression bomb (twice its warning limit)."""


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a file becomes pixels.

    background       sRGB colour under transparent pixels
    max_pixels       width × height above which a file is refused before it is decoded
    accept_truncated keep the rows that can be read of a damaged file (its fact `truncated` says so), if an eighth of it
    every            0: the first frame; n: every n-th frame of an animation, the first included
    at_least         0: full size; else a JPEG may be decoded at 1/2, 1/4 or 1/8 as long as its longest side stays at
                     least this many pixels
    """

    background: tuple[int, int, int] = (255, 255, 255)
    max_pixels: int = MAX_PIXELS
    accept_truncated: bool = False
    every: int = 0
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels after entry and the JSON-able facts that flattening loses.

    Facts always there: format, mode, width, height (as stored), had_alpha (some pixel is not opaque), profile (name
    of the embedded ICC profile, empty without one), orientation (EXIF value that was applied, 1 without). Where
    they apply: frames (pages or frames in the file, absent where counting fails), frame (index of this one),
    animated, transparent (share of fully transparent pixels), truncated and rows (a damaged file was accepted; rows
    that could be read), depth (bits per sample above 8), gamma (a PNG's, applied), cicp (names of the primaries and
    transfer that a PNG, HEIF or AVIF declares by numbers, applied), cicp_error, tone_mapped (PQ or HLG), texts (a
    PNG's that were not read), profile_error, exif_error, scaled (n where a JPEG was decoded at 1/n).
    """

    pixels: Pixels
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


def parse_colour(name: str) -> tuple[int, int, int]:
    """A colour name or #rrggbb (also #rgb, rgb(…), hsl(…)) as sRGB 0..255. Raises InputError."""
    from PIL import ImageColor

    try:
        red, green, blue, *_ = ImageColor.getrgb(name.strip())
    except ValueError as error:
        raise InputError(
            f'"{name}" is not a color', "write a name such as white or a hex value such as #808080"
        ) from error
    return red, green, blue
