"""Recipes: preparation as a `preprocess.json` lists it, a sequence of named transforms with their arguments.

The transforms mean what dghs-imgutils makes of them with Pillow: sizes of two numbers are height and width for
`resize` and `center_crop`, width and height for `pad_to_size`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from taggers.base import Picture, Tensor
from taggers.errors import BadModelError

Step = Callable[[Any], Any]


@lru_cache(maxsize=16)
def read(path: Path) -> tuple[Step, ...]:
    """The steps of a `preprocess.json`. Raises BadModelError naming the file and an unknown transform."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise BadModelError(f"{path}: not readable as JSON ({error})") from error
    stages = found if isinstance(found, list) else next((found[k] for k in ("stages", "test") if k in found), None)
    if not isinstance(stages, list) or not stages:
        raise BadModelError(f"{path}: no list of transforms under stages or test")
    return tuple(_step(stage, path) for stage in stages)


def apply(steps: Sequence[Step], picture: Picture) -> Tensor:
    """3×H×W float32 of an H×W×3 picture."""
    value: Any = Image.fromarray(np.ascontiguousarray(picture))
    for step in steps:
        value = step(value)
    return np.ascontiguousarray(value, dtype=np.float32)


def _step(stage: Any, path: Path) -> Step:
    known: dict[str, Callable[[Mapping[str, Any]], Step]] = {
        "pad_to_size": _pad,
        "resize": _resize,
        "center_crop": _crop,
        "to_tensor": lambda _: _tensor,
        "maybe_to_tensor": lambda _: _tensor,
        "convert_rgb": lambda _: _keep,
        "normalize": _normalize,
        "rescale": _rescale,
    }
    kind = stage.get("type") if isinstance(stage, dict) else stage
    if kind not in known:
        raise BadModelError(f'{path}: unknown transform "{kind}"', f"known are: {', '.join(known)}")
    try:
        return known[kind](stage)
    except (KeyError, TypeError, ValueError) as error:
        raise BadModelError(f"{path}: transform {kind} has wrong arguments ({error})") from error


def _filter(stage: Mapping[str, Any]) -> Image.Resampling:
    value = stage.get("interpolation", "bilinear")
    return Image.Resampling(value) if isinstance(value, int) else Image.Resampling[str(value).upper()]


def _two(size: Any) -> tuple[int, int]:
    numbers = [size] if isinstance(size, int) else list(size)
    first, second = (int(n) for n in (numbers * 2 if len(numbers) == 1 else numbers))
    return first, second


def _pad(stage: Mapping[str, Any]) -> Step:
    width, height = _two(stage["size"])
    colour = stage.get("background_color", "white")
    background = ImageColor.getrgb(colour)[:3] if isinstance(colour, str) else tuple(colour)[:3]
    resample = _filter(stage)

    def pad(image: Image.Image) -> Image.Image:
        ratio = min(width / image.width, height / image.height)
        size = round(image.width * ratio), round(image.height * ratio)
        canvas = Image.new("RGB", (width, height), background)
        canvas.paste(image.resize(size, resample), ((width - size[0]) // 2, (height - size[1]) // 2))
        return canvas

    return pad


def _resize(stage: Mapping[str, Any]) -> Step:
    size, resample, longest = stage["size"], _filter(stage), stage.get("max_size")
    fixed = _two(size)[::-1] if not isinstance(size, int) and len(size) == 2 else None
    short = size if isinstance(size, int) else int(size[0])

    def resize(image: Image.Image) -> Image.Image:
        width, height = fixed or _shortest(image.size, short, longest)
        return image if (width, height) == image.size else image.resize((width, height), resample)

    return resize


def _shortest(size: tuple[int, int], short: int, longest: int | None) -> tuple[int, int]:
    width, height = size
    new = (short, int(short * height / width)) if width < height else (int(short * width / height), short)
    if longest is not None and max(new) > longest:
        new = (
            (longest, int(longest * new[1] / new[0])) if new[0] >= new[1] else (int(longest * new[0] / new[1]), longest)
        )
    return new


def _crop(stage: Mapping[str, Any]) -> Step:
    height, width = _two(stage["size"])

    def crop(image: Image.Image) -> Image.Image:
        canvas = Image.new("RGB", (max(width, image.width), max(height, image.height)))
        canvas.paste(image, ((canvas.width - image.width) // 2, (canvas.height - image.height) // 2))
        left, top = (canvas.width - width) // 2, (canvas.height - height) // 2
        return canvas.crop((left, top, left + width, top + height))

    return crop


def _keep(image: Any) -> Any:
    return image


def _tensor(image: Any) -> Tensor:
    if isinstance(image, np.ndarray):
        return image
    return np.asarray(image).transpose(2, 0, 1).astype(np.float32) / np.float32(255)


def _normalize(stage: Mapping[str, Any]) -> Step:
    mean, std = (np.asarray(stage[k], np.float32).reshape(-1, 1, 1) for k in ("mean", "std"))
    return lambda array: (array - mean) / std


def _rescale(stage: Mapping[str, Any]) -> Step:
    factor = np.float32(stage.get("rescale_factor", stage.get("factor", 1 / 255)))
    return lambda array: np.asarray(array, np.float32) * factor
