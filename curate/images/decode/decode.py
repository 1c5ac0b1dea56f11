"""The way in: a file becomes opaque, upright, 8-bit sRGB pixels, or one clear reason why it cannot."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from curate.core.stage import Pixels
from curate.errors import PictureError
from curate.images.decode import color, pillow_fixes, pillow_settings, truncation, truncation_png
from curate.images.decode.errors import BROKEN, LIMIT_REMEDY, reason
from curate.images.decode.formats import REFUSED, register_plugins
from curate.images.decode.options import Decoded, DecodeOptions

# the other frames of MPO, HEIF, PSD and icons are thumbnails, depth maps, layers or sizes of the same picture
ANIMATED = frozenset({"GIF", "PNG", "WEBP", "AVIF", "FLI", "TIFF", "DCX", "JXL"})

# Pillow turns TIFF, and the plugins for these turn theirs, while loading
_ALREADY_UPRIGHT = frozenset({"TIFF", "HEIF", "JXL"})


def first(path: Path, options: DecodeOptions) -> Decoded:
    """The file's (first) picture. Raises PictureError."""
    with _opened(path, options) as (image, known):
        decoded = _one(image, known, options)
        count = _count(image)  # last: counting walks the whole file
        if count:
            decoded.facts.update(frames=count, animated=count > 1 and image.format in ANIMATED)
        return decoded


def frames(path: Path, options: DecodeOptions) -> list[Decoded]:
    """Every `options.every`-th frame of an animation, or the one picture of anything else. Raises PictureError.

    All frames together may hold no more than `max_pixels`: they are in memory at once.
    """
    if options.every < 1:
        return [first(path, options)]
    with _opened(path, options) as (image, known):
        count = _count(image)
        animated = count > 1 and image.format in ANIMATED
        start = 1 if animated and image.info.get("default_image") else 0  # shown only where the animation is not
        wanted = range(start, count, options.every) if animated else range(1)
        if len(wanted) * image.width * image.height > options.max_pixels:
            raise PictureError(
                f"{len(wanted)} frames of {image.width}×{image.height} are more pixels than the limit: {LIMIT_REMEDY}"
            )
        found: list[Decoded] = []
        for index in wanted:
            if animated:
                try:
                    image.seek(index)
                    image.load()
                except BROKEN:
                    if not (options.accept_truncated and found):
                        raise
                    known["truncated"] = True
                    break
                known["frame"] = index
            found.append(_one(image, {**known, "frames": max(count, 1), "animated": animated}, options))
        return found


@contextlib.contextmanager
def _opened(path: Path, options: DecodeOptions) -> Generator[tuple[Image.Image, dict[str, Any]]]:
    """The file opened, its first frame loaded, and what is known so far; failures in the block become PictureErrors."""
    register_plugins()
    with contextlib.ExitStack() as stack:
        try:
            try:
                found = _load_whole(path, options, stack)
            except (FileNotFoundError, PermissionError, UnidentifiedImageError, Image.DecompressionBombError):
                raise
            except BROKEN:
                if not options.accept_truncated:
                    raise
                stack.close()
                found = _load(path, options, accept=True, stack=stack)
            yield found
        except BROKEN as error:
            raise PictureError(reason(error, path)) from error


def _load_whole(path: Path, options: DecodeOptions, stack: contextlib.ExitStack) -> tuple[Image.Image, dict[str, Any]]:
    """The file loaded with nothing missing; a PNG whose texts are broken, or more than Pillow unpacks, without them."""
    try:
        return _load(path, options, accept=False, stack=stack)
    except (ValueError, SyntaxError, UnidentifiedImageError):
        bare = truncation_png.without_texts(path)
        if bare is None:
            raise
        stack.close()
        return _load(path, options, accept=False, stack=stack, bare=bare)


def _load(
    path: Path, options: DecodeOptions, *, accept: bool, stack: contextlib.ExitStack, bare: BinaryIO | None = None
) -> tuple[Image.Image, dict[str, Any]]:
    """Opens and loads once. A second load() of the same object can pass in silence, so none is ever made.

    `bare` is the file's content without its texts.
    """
    stack.enter_context(pillow_settings.settings(options.max_pixels, accept))
    image = pillow_fixes.open_image(bare or path, stack)
    if image.format in REFUSED:
        raise PictureError(f"{image.format} is not a raster format that can be trained on")
    _check_size(image, options)
    known: dict[str, Any] = {
        "format": image.format or "",
        "mode": image.mode,
        "width": image.width,
        "height": image.height,
    }
    if bare:
        image.filename = str(path)
        known["texts"] = "left out: broken, or too large to read"
    if options.at_least and image.format in ("JPEG", "MPO"):
        known |= _draft(image, options.at_least)
    image.load()
    if not accept and (lack := truncation.lacking(image, path, known.get("scaled", 1))):
        raise OSError(lack)
    if accept:
        known["truncated"] = True
        known["top"], bottom = truncation.rows_read(image)
        known["rows"] = bottom - known["top"]
        if known["rows"] * 8 <= image.height:
            raise PictureError("damaged, and hardly anything of it could be read")
    return image, known


def _one(image: Image.Image, known: dict[str, Any], options: DecodeOptions) -> Decoded:
    image.load()
    _check_size(image, options)
    if image.mode in ("P", "PA") and not image.getpalette():
        raise PictureError("damaged: its colors are numbers in a palette that is missing")
    facts = dict(known)
    facts["orientation"] = orientation = _orientation(image, facts)
    if top := facts.pop("top", 0):
        image = image.crop((0, top, image.width, image.height))
    height, width = facts.get("rows", image.height), image.width
    pixels = np.empty((height, width, 3) if orientation < 5 else (width, height, 3), np.uint8)
    color.flatten(image, options.background, facts, into=_as_stored(pixels, orientation))
    return Decoded(pixels, facts)


def _check_size(image: Image.Image, options: DecodeOptions) -> None:
    if image.width * image.height > options.max_pixels:
        size = f"{image.width}×{image.height}"
        raise PictureError(f"{size} pixels are more than the limit of {options.max_pixels:,}: {LIMIT_REMEDY}")
    if not image.width or not image.height:
        raise PictureError("no pixels")


def _draft(image: Image.Image, at_least: int) -> dict[str, Any]:
    longest = max(image.size)
    scale = next((s for s in (8, 4, 2) if -(-longest // s) >= at_least), 1)
    if scale == 1:
        return {}
    image.draft(None, (image.width // scale, image.height // scale))
    return {"scaled": scale}


def _orientation(image: Image.Image, facts: dict[str, Any]) -> int:
    """The EXIF orientation still to be applied, 1 to 8; whatever cannot be read counts as 1."""
    if image.format in _ALREADY_UPRIGHT:
        return 1
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except BROKEN as error:
        facts["exif_error"] = str(error) or type(error).__name__
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _as_stored(pixels: Pixels, orientation: int) -> Pixels:
    """An upright picture seen the way its file stores it: what is written into the view stands upright in `pixels`.

    The EXIF values: 2 mirrors, 3 is half round, 4 upside-down mirror, 5 to 8 those with rows and columns exchanged.
    """
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels.transpose(1, 0, 2) if orientation >= 5 else pixels


def _count(image: Image.Image) -> int:
    """Frames in the file, 0 where even counting them fails."""
    try:
        return int(getattr(image, "n_frames", 1))
    except BROKEN:
        return 0
