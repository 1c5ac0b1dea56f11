"""The few types of this package: a picture, its scores, a tagger and what opens from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""uint8, H×W×3 RGB, or H×W×4 RGBA (composited on white)."""

Tensor = NDArray[np.float32]

Scored = dict[str, tuple[float, str]]
"""Canonical tag (underscores) -> (probability 0..1, category)."""

Vocabulary = Literal["danbooru", "e621", "unknown"]

Source = Callable[[], Picture]
"""Fetches one picture; called on a worker thread."""


class OpenTagger(Protocol):
    """A loaded model."""

    provider: str
    """What computes: CUDAExecutionProvider, CPUExecutionProvider, cuda, cpu …"""

    @property
    def batch(self) -> int:
        """How many pictures the device takes at once; fewer from the first time that they did not fit."""
        ...

    def prepare(self, picture: Picture) -> Tensor:
        """What the model is fed for one picture; may run on any thread."""
        ...

    def infer(self, tensors: Sequence[Tensor]) -> list[Scored]:
        """Scores of up to `batch` prepared pictures, in order."""
        ...

    def __call__(self, pictures: Sequence[Picture]) -> list[Scored]:
        """Scores of each picture, in order."""
        ...

    def stream(self, sources: Iterable[Source]) -> Iterator[Scored | Exception]:
        """As a call, but fetches and prepares ahead on threads while the device computes.

        A source that raises yields its exception in its place; the others go on.
        """
        ...


class Tagger(Protocol):
    """A model that is at hand: its files are known, nothing is loaded."""

    @property
    def name(self) -> str:
        """How users call it."""
        ...

    @property
    def vocabulary(self) -> Vocabulary:
        """Whose tags it speaks."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything whose content decides the scores."""
        ...

    @property
    def thresholds(self) -> dict[str, float]:
        """The family's own thresholds by category, `general` among them."""
        ...

    def best(self) -> dict[str, float]:
        """Per-tag thresholds where the model ships them, else empty."""
        ...

    def open(
        self, device: str = "auto", *, require_gpu: bool = False, floor: float = 0.0, batch: int = 0
    ) -> AbstractContextManager[OpenTagger]:
        """Loads the model and releases it again.

        `device` is auto, cpu, cuda[:N] or tensorrt[:N]. Scores under `floor` are left out, ratings excepted.
        `batch` 0 lets the graph or device decide. Raises BadModelError, and NoGpuError where `require_gpu` is not met.
        """
        ...
