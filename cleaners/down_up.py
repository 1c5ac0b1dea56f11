"""Method B: scaled down, then up again by a network, so that fine perturbations are drawn anew."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from cleaners import Clean, Picture
from cleaners.upscale import Upscale, resized
from cleaners.upscalers.catalogue import LANCZOS
from cleaners.upscalers.torch_network import Precision


@dataclass(frozen=True, slots=True)
class DownUp:
    """Pictures of the same size, gone through `factor` of it (1/2 or 3/4) by area averages and back by `model`.

    Detail below the smaller size is lost and invented again: for large pictures.
    """

    model: str = LANCZOS
    factor: float = 0.5
    tile: int = 0
    precision: Precision = "auto"
    offline: bool = False

    @contextmanager
    def open(self, device: str = "auto") -> Generator[Clean]:
        """Yields the function. Raises CleanerError."""
        with Upscale(self.model, 0, self.tile, self.precision, self.offline).open(device) as enlarge:

            def clean(picture: Picture) -> Picture:
                import cv2

                height, width = picture.shape[:2]
                size = (max(1, round(width * self.factor)), max(1, round(height * self.factor)))
                small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
                return resized(enlarge(small), width, height)

            yield clean
