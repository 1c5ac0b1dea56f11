"""Picture files: the only place where pixels are read and written: upright, sRGB, 8 bits, opaque."""

from __future__ import annotations

from pathlib import Path

from curate.core.stage import Pixels
from curate.images.decode.formats import SUFFIXES, may_be_picture, sniff
from curate.images.decode.options import MAX_PIXELS, Decoded, DecodeOptions, parse_colour

__all__ = [
    "MAX_PIXELS",
    "PICTURE_FILES",
    "SUFFIXES",
    "DecodeOptions",
    "Decoded",
    "may_be_picture",
    "parse_colour",
    "read_frames",
    "read_picture",
    "sniff",
]


def read_picture(path: Path, options: DecodeOptions | None = None) -> Decoded:
    """The (first) picture of a file, and the facts that flattening loses. Raises PictureError."""
    from curate.images.decode import decode

    return decode.first(path, options or DecodeOptions())


def read_frames(path: Path, options: DecodeOptions) -> list[Decoded]:
    """Every `options.every`-th frame of an animation; one picture for anything else. Raises PictureError."""
    from curate.images.decode import decode

    return decode.frames(path, options)


class PictureFiles:
    """Reads any picture by the default entry rules, writes PNG, JPEG and WebP; picklable."""

    def read(self, path: Path) -> Pixels:
        """Decodes a file with the default entry rules. Raises PictureError."""
        return read_picture(path).pixels

    def write(self, pixels: Pixels, path: Path, encoding: str) -> None:
        """Encodes to `path` (`png[:level]`, `jpeg[:quality]`, `webp[:quality]`); not atomic by itself.

        Raises InputError.
        """
        from curate.images import encode

        encode.write(pixels, path, encoding)


PICTURE_FILES = PictureFiles()
