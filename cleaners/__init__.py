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

_PLAIN = ("device", "errors")


class Cleaner(Protocol):
    """What every cleaner is: options that open into a function."""

    def open(self, device: str = "auto") -> AbstractContextManager[Clean]:
        """Loads what is heavy on `device` (auto, cpu, cuda, cuda:N or mps), yields the function, releases it.

        Raises `cleaners.errors.CleanerError` with a message for the user.
        """
        ...


def names() -> list[str]:
    """The cleaners this package carries, by file name; nothing is imported."""
    files = (m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg and m.name not in _PLAIN)
    return sorted(name.replace("_", "-") for name in files)
