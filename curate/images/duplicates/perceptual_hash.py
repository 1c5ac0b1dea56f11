"""Perceptual hashes of pictures and of their parts, and a search for near ones that is not quadratic."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels

Hashes = NDArray[np.uint64]

SIDE = 32
_PIECE = 1 << 16  # pairs looked at together
# the smaller the part, the more places it may have: neighbours lie some 5 % of the picture apart, which the hash bears
_GRIDS = ((0.94, 3), (0.88, 4), (0.82, 5), (0.76, 6), (0.70, 7))
CROPS = tuple((share, x / (n - 1), y / (n - 1)) for share, n in _GRIDS for x in range(n) for y in range(n))
"""Parts of a picture that are hashed too: share of its sides, and where in the rest they lie (0 to 1)."""


def pixel_digest(pixels: Pixels) -> str:
    """Names H×W×3 pixels: equal for equal pictures only."""
    content = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=20)
    content.update(repr(pixels.shape).encode())
    return content.hexdigest()


def hashes(pixels: Pixels) -> tuple[int, list[int]]:
    """The 64-bit hash of the whole picture, and of each of CROPS.

    DCT hash (pHash): the signs of the lowest 8×8 frequencies but the constant one, around their median, of luma
    averaged to 32×32. Luma is stretched first, so that changes of brightness and contrast leave it alone.
    """
    import cv2

    small = cv2.resize(pixels, (4 * SIDE, 4 * SIDE), interpolation=cv2.INTER_AREA)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    whole, *parts = _hashes([luma, *(part(luma, *crop) for crop in CROPS)])
    return whole, parts


def part(plane: NDArray[np.float32], share: float, x: float, y: float) -> NDArray[np.float32]:
    """The part of H×W values that a row of CROPS names."""
    height, width = (round(side * share) for side in plane.shape)
    top, left = round((plane.shape[0] - height) * y), round((plane.shape[1] - width) * x)
    return plane[top : top + height, left : left + width]


def _hashes(planes: Sequence[NDArray[np.float32]]) -> list[int]:
    import cv2

    waves = np.empty((len(planes), 63), np.float32)
    for n, luma in enumerate(planes):
        waves[n] = cv2.dct(cv2.resize(luma, (SIDE, SIDE), interpolation=cv2.INTER_AREA))[:8, :8].ravel()[1:]
    bits = np.zeros((len(planes), 64), np.bool_)
    bits[:, :63] = waves > np.median(waves, axis=1, keepdims=True)
    return [int(row) for row in np.packbits(bits, axis=1).view(">u8").ravel()]


def near_pairs(
    queries: Hashes, base: Hashes, distance: int, flips: int | None = None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Index pairs (of queries, of base) of hashes that differ in at most `distance` bits, 0 to 11; some come twice.

    Multi-index hashing (Norouzi et al. 2012): of four 16-bit parts, one differs in at most distance / 4 bits. So each
    quarter of the queries, and its neighbours of so many flipped bits, is looked up in the sorted quarters of the base.
    With fewer `flips` than distance // 4 it is faster and misses some of the farther pairs.
    """
    if not 0 <= distance <= 11:
        raise ValueError("distance must be 0 to 11")
    for quarter in range(4):
        wanted, query_order = _by_quarter(queries, quarter)
        keys, base_order = _by_quarter(base, quarter)
        sorted_queries, sorted_base = queries[query_order], base[base_order]
        starts = np.searchsorted(keys, np.arange(65537))
        for mask in _masks(distance // 4 if flips is None else flips):
            at = (wanted ^ mask).astype(np.int64)
            for i, j in _checked(sorted_queries, sorted_base, starts[at], starts[at + 1] - starts[at], distance):
                yield query_order[i], base_order[j]


def _by_quarter(values: Hashes, quarter: int) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """A quarter of each hash in ascending order, and where each stands: neighbours in memory are looked up together."""
    keys = ((values >> np.uint64(16 * quarter)) & np.uint64(0xFFFF)).astype(np.uint16)
    order = np.argsort(keys, kind="stable")
    return keys[order], order


def _checked(
    queries: Hashes, base: Hashes, first: NDArray[np.int64], count: NDArray[np.int64], distance: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Those of the looked-up pairs that are near, in pieces that stay in the processor's cache."""
    totals = np.concatenate([[0], np.cumsum(count)])
    shift = first - totals[:-1]
    start = 0
    while start < len(count):
        end = max(start + 1, int(np.searchsorted(totals, totals[start] + _PIECE, side="right")) - 1)
        some = count[start:end]
        j = np.arange(totals[start], totals[end]) + np.repeat(shift[start:end], some)
        near = np.flatnonzero(np.bitwise_count(np.repeat(queries[start:end], some) ^ base[j]) <= distance)
        if len(near):
            yield start + np.searchsorted(totals[start + 1 : end + 1] - totals[start], near, side="right"), j[near]
        start = end


@functools.cache
def _masks(flips: int) -> NDArray[np.uint16]:
    """All 16-bit values with at most `flips` ones, up to 2."""
    singles = [1 << a for a in range(16)]
    pairs = [a | b for n, a in enumerate(singles) for b in singles[:n]]
    return np.array([0, *(singles if flips >= 1 else []), *(pairs if flips >= 2 else [])], np.uint16)
