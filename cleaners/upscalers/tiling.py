"""Running a network over a picture of any size, tile by tile, without seams."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleaners import Picture
from cleaners.errors import MemoryShortError
from cleaners.upscalers import Network

LOG = logging.getLogger("cleaners")

CONTEXT = 24
"""Input pixels at a tile's inner edge whose result is thrown away: there the network saw too little around them."""
RAMP = 16
"""Input pixels over which one tile fades into the next; it hides what a field of view wider than CONTEXT leaves."""
SMALLEST = 112
LARGEST = 1024
_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Window:
    """One tile along one side: where it starts, and the weight of each of its output pixels."""

    start: int
    weight: NDArray[np.float32]


def windows(length: int, side: int, scale: int) -> list[Window]:
    """Equal tiles of `side` input pixels (the whole length if that is less) whose weights add up to 1 everywhere.

    An output pixel is taken from tiles that have at least CONTEXT input pixels beyond it, or the picture's own edge;
    fewer only where the tiles are smaller than SMALLEST, which is for networks of one fixed input size.
    """
    if length <= side:
        return [Window(0, np.ones(length * scale, np.float32))]
    context, ramp = min(CONTEXT, side // 4), min(RAMP, side // 8)
    step = max(1, side - 2 * context - ramp)
    count = math.ceil((length - side) / step) + 1
    starts = [round(number * (length - side) / (count - 1)) for number in range(count)]
    where = np.arange(side * scale, dtype=np.float32) + np.float32(0.5)
    found: list[Window] = []
    for number, start in enumerate(starts):
        weight = np.ones(side * scale, np.float32)
        if number:
            weight *= _rise(where / np.float32(scale), (starts[number - 1] + side - start) / 2, ramp)
        if number + 1 < count:
            weight *= 1 - _rise(where / np.float32(scale), (starts[number + 1] + side - start) / 2, ramp)
        found.append(Window(start, weight))
    return found


def _rise(where: NDArray[Any], middle: float, ramp: int) -> NDArray[Any]:
    """0 before, 1 after a ramp around `middle`, all in input pixels."""
    return np.clip((where - np.float32(middle)) / np.float32(max(1, ramp)) + np.float32(0.5), 0, 1)


class Tiler:
    """Enlarges pictures with a network; remembers the tile size that memory allowed."""

    def __init__(self, network: Network, tile: int = 0) -> None:
        """`tile` is the side in input pixels, margins included; 0 chooses it by free memory."""
        self.network = network
        self.tile = tile or LARGEST
        self.chosen = not tile
        self.together = 8

    def __call__(self, picture: Picture) -> Picture:
        """`picture` at the network's scale. Raises MemoryShortError where even the smallest tiles do not fit."""
        while True:
            side = self._side(picture)
            try:
                return self._run(picture, side)
            except MemoryError as error:
                if self.network.side or (side <= SMALLEST and self.together == 1):
                    raise MemoryShortError(
                        f"a tile of {side} pixels does not fit into memory", "close other programs, or use device cpu"
                    ) from error
                self.tile, self.together = max(SMALLEST, side // 2), 1
                LOG.warning("memory ran out with tiles of %d pixels, going on with %d", side, self.tile)

    def _side(self, picture: Picture) -> int:
        if self.network.side:
            return self.network.side
        side = self.tile
        if self.chosen:
            room = math.isqrt(max(0, int(self.network.memory() * _SHARE / max(1, self.network.per_pixel))))
            side = min(side, room // 32 * 32)
        return min(max(side, SMALLEST), max(picture.shape[:2]))

    def _run(self, picture: Picture, side: int) -> Picture:
        scale = self.network.scale
        if self.network.side:
            picture, cut = _at_least(picture, side)
        else:
            cut = picture.shape[:2]
        rows, columns = (windows(length, side, scale) for length in picture.shape[:2])
        out = np.empty((picture.shape[0] * scale, picture.shape[1] * scale, 3), np.uint8)
        waiting: NDArray[np.float32] = np.zeros((0, out.shape[1], 3), np.float32)
        for number, row in enumerate(rows):
            band = self._band(picture, row, columns, min(side, picture.shape[0]))
            band *= row.weight[:, None, None]
            band[: len(waiting)] += waiting
            ready = (rows[number + 1].start - row.start) * scale if number + 1 < len(rows) else len(band)
            top = row.start * scale
            out[top : top + ready] = np.rint(np.clip(band[:ready], 0, 1) * 255)
            waiting = band[ready:]
        return out[: cut[0] * scale, : cut[1] * scale]

    def _band(self, picture: Picture, row: Window, columns: Sequence[Window], height: int) -> NDArray[np.float32]:
        """One row of tiles, put together."""
        scale = self.network.scale
        band = np.zeros((height * scale, picture.shape[1] * scale, 3), np.float32)
        width = len(columns[0].weight) // scale
        batch = self._batch(height * width)
        for first in range(0, len(columns), batch):
            group = columns[first : first + batch]
            rows = picture[row.start : row.start + height]
            tiles = np.stack([rows[:, column.start : column.start + width] for column in group]).astype(np.float32)
            tiles /= 255
            for column, result in zip(group, self.network(tiles), strict=True):
                left = column.start * scale
                band[:, left : left + width * scale] += result * column.weight[None, :, None]
        return band

    def _batch(self, pixels: int) -> int:
        """How many tiles at once: small ones gain from company, large ones only cost memory."""
        if self.network.side:
            return 1
        room = int(self.network.memory() * _SHARE / max(1, self.network.per_pixel * pixels))
        return max(1, min(self.together, room, (512 * 512) // pixels))


def _at_least(picture: Picture, side: int) -> tuple[Picture, tuple[int, int]]:
    """The picture mirrored out to at least side × side for a network of fixed input, and its own height and width."""
    height, width = picture.shape[:2]
    down, right = max(0, side - height), max(0, side - width)
    padded = picture
    while down or right:
        more = (min(down, padded.shape[0]), min(right, padded.shape[1]))
        padded = np.pad(padded, ((0, more[0]), (0, more[1]), (0, 0)), mode="symmetric")
        down, right = down - more[0], right - more[1]
    return padded, (height, width)
