"""Method C: 64 bilateral passes, then 4 passes of a filter guided by the original picture."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaners import Clean, Picture
from cleaners.filters.guided import Guide


@dataclass(frozen=True, slots=True)
class Adverse:
    """The adversarial-noise cleaner of lllyasviel's AdverseCleaner, its published numbers as defaults.

    The picture is float32 in 0..255 throughout. `spread` is the bilateral filter's sigma for colour and for space.
    The result is rounded to uint8, where the original program cuts the fraction off.
    """

    passes: int = 64
    diameter: int = 5
    spread: float = 8.0
    guided: int = 4
    radius: int = 4
    eps: float = 16.0

    @contextmanager
    def open(self, device: str = "auto") -> Generator[Clean]:
        """Yields the filter; it runs on the CPU whatever the device."""
        yield self._clean

    def _clean(self, picture: Picture) -> Picture:
        import cv2

        original = picture.astype(np.float32)
        smooth: NDArray[np.float32] = original
        for _ in range(self.passes):
            smooth = np.asarray(cv2.bilateralFilter(smooth, self.diameter, self.spread, self.spread), np.float32)
        guide = Guide(original, self.radius, self.eps, threads=max(1, cv2.getNumThreads()))
        for _ in range(self.guided):
            smooth = guide.filter(smooth)
        return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)
