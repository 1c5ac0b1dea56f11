"""Picture cleaners: upscaling and the removal of adversarial noise, usable without the rest of curate.

A cleaner is a frozen set of options; opened on a device it is a function from picture to picture:

    with Adverse().open("cpu") as clean:
        better = clean(picture)

A file with a public class of `Cleaner` is all that a new one needs.
"""

from __future__ import annotations

import difflib
import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""uint8, H×W×3, RGB."""

Clean = Callable[[Picture], Picture]
_CLASS = re.compile(r"^class [A-Za-z]\w*\(Cleaner\)", re.MULTILINE)


class Cleaner(ABC):
    """What every cleaner is: options that open into a function, and what a program that offers it has to know."""

    __slots__ = ()

    help: ClassVar[str]
    """What it does and what it costs a clean picture, in a few words."""
    gpu: ClassVar[bool] = True
    """Whether it has use for a GPU."""

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """A cleaner from a program's options by name: model, factor, tile, precision, large, diffusion, sigma, steps,
        seed and offline; it takes those that it understands.
        """
        return cls()

    def files(self) -> Sequence[Path]:
        """Files on disk whose content decides the result. Raises `cleaners.errors.CleanerError`."""
        return ()

    def check(self) -> None:
        """Looks for all that `open` needs and loads none of it. Raises `cleaners.errors.CleanerError`.

        Beside `files` that is what counts by its name: it is fetched here where that is allowed.
        """
        self.files()

    def takes(self, picture: Picture) -> bool:
        """Whether a picture is large enough for it."""
        return True

    @abstractmethod
    def open(self, device: str = "auto") -> AbstractContextManager[Clean]:
        """Loads what is heavy on `device` (auto, cpu, cuda, cuda:N or mps), yields the function, releases it.

        Raises `cleaners.errors.CleanerError` with a message for the user.
        """


def names() -> list[str]:
    """The cleaners this package carries, by file name; nothing is imported."""
    files = (path for folder in __path__ for path in Path(folder).glob("*.py"))
    return sorted(p.stem.replace("_", "-") for p in files if _CLASS.search(p.read_text(encoding="utf-8")))


def cleaner(name: str) -> type[Cleaner]:
    """The cleaner of that name, or of a module at a dotted path. Raises ValueError where there is none."""
    if "." not in name and name not in names():
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"choose from {', '.join(names())}"
        raise ValueError(f'unknown cleaner "{name}": {hint}')
    try:
        module = importlib.import_module(name if "." in name else f"{__name__}.{name.replace('-', '_')}")
    except ImportError as error:
        raise ValueError(f'cleaner "{name}" cannot be imported: {error}') from error
    own = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
    found = [c for c in own if issubclass(c, Cleaner) and not c.__name__.startswith("_")]
    if len(found) != 1:
        raise ValueError(f"{module.__name__} must define exactly one public Cleaner, and defines {len(found)}")
    return found[0]
