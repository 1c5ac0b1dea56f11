"""The embedded base model `toy`: the SD 1.x architecture in the small, trained on a toy world."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from curate.errors import MissingError


def folder() -> Path:
    """The diffusers folder of `toy` in the package; read it, never write into it. Raises MissingError."""
    place = resources.files(__name__) / "weights"
    if not isinstance(place, Path) or not (place / "model_index.json").is_file():
        raise MissingError("the weights of the base `toy` are not on disk", "install curate as files, with its weights")
    return place
