"""Sample pictures that the project draws itself, so that everything can be tried offline."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from curate.errors import MissingError


def folder() -> Path:
    """The folder with one sub-folder of pictures per concept; read it, never write into it. Raises MissingError."""
    found = resources.files(__name__) / "pictures"
    if not isinstance(found, Path) or not found.is_dir():
        raise MissingError("the sample pictures are not on disk", "install curate as files, not as a zip archive")
    return found
