"""Networks that enlarge or restore pictures: finding, loading and running them tile by tile."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Tiles = NDArray[np.float32]
"""N×H×W×3, RGB, 0..1."""


class Network(Protocol):
    """An opened network.

    scale      how much larger its output is than its input; 1 for a network that only restores
    side       the one tile side it takes, 0 where it takes any
    memory     bytes that may be used now
    per_pixel  bytes it needs per input pixel, roughly
    """

    scale: int
    side: int
    per_pixel: int

    def __call__(self, tiles: Tiles) -> Tiles:
        """Raises MemoryError where memory runs out, whatever the library calls it."""
        ...

    def memory(self) -> int:
        """Bytes that may be used now."""
        ...
