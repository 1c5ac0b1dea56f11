"""A base model without values: its layers and their shapes, from its configuration, to count and to plan with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from curate.diffusion.base import Backbone
from curate.diffusion.detect import Traits, keys, plain_key, traits_of_family
from curate.diffusion.family_class import family_class


def frame(base: Traits, name: str, place: Path | None) -> Backbone:
    """The base on the meta device: of a folder's configuration, or of a file's shapes; else as its family is made."""
    family = family_class(base.family)
    told = _of_file(family, place)
    parts, vae = family.outline(lambda part: told.get(part) or _config(place, part))
    return family(name, parts, vae, [], base.resolution, base.prediction or "epsilon", base.ztsnr)


def frame_of_family(name: str) -> Backbone:
    """A family's full-size model on the meta device."""
    return frame(traits_of_family(name), name, None)


def _of_file(family: type[Backbone], place: Path | None) -> Mapping[str, Mapping[str, Any]]:
    """What a file of the network alone tells of its size; nothing of one that lacks tensors, which loading refuses."""
    if place is None or not place.is_file() or family.family.objective != "flow":
        return {}
    state = {plain_key(key): torch.empty(shape, device="meta") for key, shape in keys(place).items()}
    try:
        return family.configurations_of_file(state)
    except (KeyError, ValueError, IndexError):
        return {}


def _config(place: Path | None, part: str) -> dict[str, Any]:
    if place is None:
        return {}
    path = place / part / "config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
