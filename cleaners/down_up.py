"""Method B: scaled down, then up again by a network, so that fine perturbations are drawn anew."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from cleaners import Clean, Cleaner, Picture
from cleaners.upscale import Upscale, network_files, resized
from cleaners.upscalers.catalogue import LANCZOS
from cleaners.upscalers.torch_network import Precision


@dataclass(frozen=True, slots=True)
class DownUp(Cleaner):
    """Pictures of the same size, gone through `factor` of it (1/2 or 3/4) by area averages and back by `model`.

    Detail below the smaller size is lost and invented again: for pictures whose shorter side is `large` or more.
    """

    help: ClassVar[str] = (
        "shrinks, then enlarges with a network; lanczos leaves a clean picture at 26 to 30 dB; skips small pictures"
    )

    model: str = LANCZOS
    factor: float = 0.5
    tile: int = 0
    precision: Precision = "auto"
    offline: bool = False
    large: int = 0

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Down to `factor` and back by `model`, from a shorter side of `large` on."""
        return cls(**{name: options[name] for name in ("model", "factor", "tile", "precision", "offline", "large")})

    def files(self) -> Sequence[Path]:
        """The network's."""
        return network_files(self.model, self.offline)

    def check(self) -> None:
        """The network's file, under a known name too."""
        self._upscaler().check()

    def takes(self, picture: Picture) -> bool:
        """Whether the shorter side is `large` or more."""
        return min(picture.shape[:2]) >= self.large

    @contextmanager
    def open(self, device: str = "auto") -> Generator[Clean]:
        """Yields the function. Raises CleanerError."""
        with self._upscaler().open(device) as enlarge:

            def clean(picture: Picture) -> Picture:
                import cv2

                height, width = picture.shape[:2]
                size = (max(1, round(width * self.factor)), max(1, round(height * self.factor)))
                small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
                return resized(enlarge(small), width, height)

            yield clean

    def _upscaler(self) -> Upscale:
        return Upscale(self.model, 0, self.tile, self.precision, self.offline)
