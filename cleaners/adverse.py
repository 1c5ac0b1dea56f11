"""Method C: 64 bilateral passes, then 4 passes of a filter guided by the original picture."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cleaners import Clean, Cleaner, Picture
from cleaners.device import torch_device
from cleaners.filters.bilateral import by_opencv, by_torch
from cleaners.filters.guided import Guide


@dataclass(frozen=True, slots=True)
class Adverse(Cleaner):
    """The adversarial-noise cleaner of lllyasviel's AdverseCleaner, its published numbers as defaults.

    The picture is float32 in 0..255 throughout. `spread` is the bilateral filter's sigma for colour and for space.
    The result is rounded to uint8, where the original program cuts the fraction off.
    """

    help: ClassVar[str] = (
        "bilateral and guided filter: gains 3 to 5 dB on noise of ±4 to ±8 and leaves a clean picture at 44 dB"
    )
    gpu: ClassVar[bool] = False

    passes: int = 64
    diameter: int = 5
    spread: float = 8.0
    guided: int = 4
    radius: int = 4
    eps: float = 16.0

    @contextmanager
    def open(self, device: str = "auto") -> Generator[Clean]:
        """Yields the filter: by OpenCV on auto and cpu, the bilateral passes by torch on cuda. MissingModelError.

        `auto` keeps to the CPU, because several processes do there what one GPU does, and torch need not be loaded.
        """
        if not device.startswith("cuda"):
            yield self._clean
            return
        place = torch_device(device)

        def clean(picture: Picture) -> Picture:
            return self._clean(picture, place)

        yield clean

    def _clean(self, picture: Picture, place: Any = None) -> Picture:
        import cv2

        original = picture.astype(np.float32)
        how = (self.passes, self.diameter, self.spread)
        smooth = by_opencv(original, *how) if place is None else by_torch(original, *how, place)
        guide = Guide(original, self.radius, self.eps, threads=max(1, cv2.getNumThreads()))
        for _ in range(self.guided):
            smooth = guide.filter(smooth)
        return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)
