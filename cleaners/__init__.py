"""Picture cleaners: upscaling and the removal of adversarial noise, usable without the rest of curate.

A cleaner is a frozen set of options; opened on a device it is a function from picture to picture:

    with Adverse().open("cpu") as clean:
        better = clean(picture)
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""uint8, H×W×3, RGB."""

Clean = Callable[[Picture], Picture]


class CleanerError(Exception):
    """A cleaner cannot do its work: a bad weights file, an option that does not fit the picture."""


class MissingPartError(CleanerError):
    """Something is not on this machine: a weights file, a library, memory."""


class Cleaner(Protocol):
    """What every cleaner is: options that open into a function."""

    def open(self, device: str) -> AbstractContextManager[Clean]:
        """Loads what is heavy on `device` (auto, cpu, cuda or cuda:N), yields the function, releases it.

        Raises CleanerError or MissingPartError with a message for the user.
        """
        ...


def names() -> list[str]:
    """The cleaners this package carries, by file name; nothing is imported."""
    return sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__) if not m.ispkg)
