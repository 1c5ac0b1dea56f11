"""What a user says of a finished LoRA, in words and with a picture: metadata for which nothing is trained anew."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from curate.errors import InputError, PictureError
from curate.images import DecodeOptions, read_picture
from curate.train.options import TrainOptions

KEYS = (
    *(f"modelspec.{key}" for key in ("title", "author", "description", "license", "tags", "thumbnail")),
    "ss_training_comment",
)
"""The metadata that `words` may give."""
SIDE = 256
"""Longest side of a thumbnail, in pixels: some 10 KiB in a header that every reader reads whole."""
QUALITY = 85


def words(options: TrainOptions, name: str) -> dict[str, str]:
    """The values of `KEYS` that are there, for a LoRA of this name.

    Raises InputError for a thumbnail that is no picture.
    """
    values = {
        "modelspec.title": options.title or name,
        "modelspec.author": options.author,
        "modelspec.description": options.comment,
        "modelspec.license": options.license,
        "modelspec.tags": options.keywords,
        "modelspec.thumbnail": thumbnail(options.thumbnail) if options.thumbnail else "",
        "ss_training_comment": options.comment,
    }
    return {key: value for key, value in values.items() if value}


def has_words(options: TrainOptions, path: Path) -> bool:
    """Whether a LoRA file's metadata hold just these words. Raises InputError for a thumbnail that is no picture."""
    from safetensors import safe_open

    with safe_open(str(path), framework="np") as file:
        metadata = dict(file.metadata() or {})
    name = metadata.get("ss_output_name", "")
    return {key: metadata[key] for key in KEYS if key in metadata} == words(options, name)


def thumbnail(path: str) -> str:
    """A picture as a data URL, as ModelSpec has it: a JPEG of at most `SIDE` pixels a side. A data URL is kept.

    Raises InputError.
    """
    from PIL import Image

    if path.startswith("data:image/"):
        return path
    try:
        pixels = read_picture(Path(path).expanduser(), DecodeOptions(at_least=SIDE)).pixels
    except (PictureError, OSError) as error:
        raise InputError(f"thumbnail: {path} cannot be read: {error}", "give a picture file") from error
    image, file = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
