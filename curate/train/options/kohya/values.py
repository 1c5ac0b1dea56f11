"""Values as kohya's files write them, turned into ours."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final


def names(text: str) -> frozenset[str]:
    """Names that stand with blanks between them."""
    return frozenset(text.split())


def truth(value: Any) -> bool:
    """A truth value, also where it was written as text."""
    return value.strip().lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)


def plain(value: Any) -> Any:
    """A number or a truth value that was written as text, as what it is."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() in ("true", "false"):
        return truth(value)
    try:
        number = float(value)
    except ValueError:
        return value
    if not math.isfinite(number):
        return value
    return int(number) if number == int(number) and not {".", "e", "E"} & set(value) else number


def _no(value: Any) -> bool:
    return not truth(value)


def _resolution(value: Any) -> int:
    """Sides as 512, "512", "768,512" or [768, 512]: the square root of their product."""
    listed = value if isinstance(value, list) else [value]
    if isinstance(value, str):
        listed = re.findall(r"\d+", value)
    sides = [int(v) for v in listed]
    return round(math.sqrt(sides[0] * sides[-1]))


def _rate(value: Any) -> Any:
    """One rate; a list must hold one value as often as it likes."""
    found = {plain(v) for v in value} if isinstance(value, list) else {plain(value)}
    if len(found) > 1:
        raise ValueError("both text encoders have the same rate in curate")
    return found.pop() if found else None


def _precision(value: Any) -> str:
    return {"no": "fp32", "float": "fp32", "": "auto"}.get(str(value), str(value))


def _save_precision(value: Any) -> str:
    return {"float": "fp32", "no": "fp32", "": "fp16"}.get(str(value), str(value))


def _optional(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """As kohya has it, 0 and nothing mean that it was not set."""
    return lambda value: convert(value) or None


CONVERT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "resolution": _resolution,
    "text_lr": _rate,
    "precision": _precision,
    "save_precision": _save_precision,
    "upscale": _no,
    "base_precision": lambda value: "fp8" if truth(value) else None,
    "swap_blocks": _optional(plain),
    "prediction": lambda value: "v" if truth(value) else None,
    "ztsnr": lambda value: True if truth(value) else None,
    "loss": lambda value: str(value).replace("_", "-"),
    "epochs": _optional(plain),
    "steps": _optional(plain),
    "schedule": lambda value: {"adafactor": "constant"}.get(
        value, value.replace("_", "-").replace("-with-restarts", "-restarts")
    ),
    "optimizer_args": lambda value: tuple(value.split() if isinstance(value, str) else value),
    **dict.fromkeys(
        (
            "base",
            "vae",
            "text_encoder",
            "output_name",
            "output_dir",
            "start_from",
            "caption_extension",
            "caption_separator",
            "title",
            "author",
        ),
        str,
    ),
    **dict.fromkeys(("comment", "license", "keywords", "thumbnail"), str),
    **dict.fromkeys(("block_ranks", "block_alphas", "conv_block_ranks", "conv_block_alphas"), str),
}
"""How a value is turned into ours, by our option; others are taken as plain numbers, truth values and words."""
