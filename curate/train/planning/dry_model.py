"""A base model without values: its layers and their shapes, from its configuration, to count and to plan with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curate.diffusion.base import Backbone
from curate.diffusion.detect import Traits
from curate.diffusion.family_class import family_class
from curate.errors import MissingError
from curate.train.network.build import plan_network
from curate.train.options import TrainOptions
from curate.train.runtime import memory


def frame(base: Traits, name: str, place: Path | None) -> Backbone:
    """The base on the meta device: of a folder's configuration; else as its family is made."""
    family = family_class(base.family)
    parts, vae = family.outline(lambda part: _config(place, part))
    return family(name, parts, vae, [], base.resolution, base.prediction or "epsilon", base.ztsnr)


def _config(place: Path | None, part: str) -> dict[str, Any]:
    if place is None:
        return {}
    path = place / part / "config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def adapter_parameters(options: TrainOptions, backbone: Backbone) -> int:
    """Numbers that a run trains, without making any of them. Raises InputError where an option fits no layer."""
    return sum(p.numel() for adapter in plan_network(options, backbone).values() for p in adapter.parameters())


def fits_memory(options: TrainOptions, backbone: Backbone) -> None:
    """Raises MissingError where the adapters alone exceed this machine's memory; nothing of them is made."""
    numbers = adapter_parameters(options, backbone)
    needed, there = numbers * 4 / memory.GIB, memory.installed()
    if there and needed > there:
        raise MissingError(
            f"the adapters have {numbers:,} numbers, {needed:.0f} GiB, and this machine has {there:.0f} GiB of memory",
            "a lower rank, or fewer layers",
        )
