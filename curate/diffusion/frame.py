"""A base model without values: its layers and their shapes, from its configuration, to count and to plan with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curate.diffusion.base import Backbone
from curate.diffusion.detect import Traits, traits_of_family
from curate.diffusion.family_class import family_class


def frame(base: Traits, name: str, place: Path | None) -> Backbone:
    """The base on the meta device: of a folder's configuration; else as its family is made."""
    family = family_class(base.family)
    parts, vae = family.outline(lambda part: _config(place, part))
    return family(name, parts, vae, [], base.resolution, base.prediction or "epsilon", base.ztsnr)


def frame_of_family(name: str) -> Backbone:
    """A family's full-size model on the meta device."""
    return frame(traits_of_family(name), name, None)


def _config(place: Path | None, part: str) -> dict[str, Any]:
    if place is None:
        return {}
    path = place / part / "config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
