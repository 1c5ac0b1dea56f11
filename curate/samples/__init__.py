"""Sample pictures that the project draws itself, so that everything can be tried offline."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from curate.errors import MissingError

REGULARIZATION = "builtin:regularization"
"""As `reg_folder`, pictures of the toy world: what the base `toy` draws without a LoRA."""


def folder() -> Path:
    """The folder with one sub-folder of pictures per concept; read it, never write into it. Raises MissingError."""
    return _carried("pictures")


def regularization_folder(given: str = REGULARIZATION) -> Path:
    """The folder that an option names: the package's own, which is only read, or any other. Raises MissingError."""
    return _carried("regularization") if given == REGULARIZATION else Path(given).expanduser()


def _carried(name: str) -> Path:
    found = resources.files(__name__) / name
    if not isinstance(found, Path) or not found.is_dir():
        raise MissingError("the sample pictures are not on disk", "install curate as files, not as a zip archive")
    return found
