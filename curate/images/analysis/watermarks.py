"""Finds what repeats in the same corner of many pictures (watermarks, signatures) without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.images.analysis.boxes import Box

Corner = Literal["top left", "top right", "bottom left", "bottom right"]
CORNERS: tuple[Corner, ...] = ("top left", "top right", "bottom left", "bottom right")

Field = NDArray[np.int8]
"""2×S×S: direction of the edge at each place as (cos 2φ, sin 2φ), so that dark on light equals light on dark, times how
far the edge stands out from its surroundings, in steps of 1/80."""

_SCALED, _FIXED = 192, 256  # sides of a field: of a corner that grows with the picture, and of one counted in pixels
_SHARE = 0.3  # of the shorter side: the corner that grows with the picture
_TOP = 0.04  # share of the corner in which the mark is looked for: a signature covers about as much

# measured on photographs at three sizes: signatures reach 0.53 to 0.84, chance at most 0.38; elsewhere in the corner
# signed pictures agree to 0.08, pictures of one scene to 0.15 and more
_CLEAR = 0.45
_ONE_SCENE = 0.12
_MOVE = 6  # pixels of a field: finer than that strokes do not repeat by chance
_IN_PLACE = 0.22  # measured: signatures lose 0.24 to 0.48 of their agreement, chance and common outlines at most 0.13
LIKE = 0.45
"""Share of the usual agreement from which on a picture carries the mark."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that repeats: where, in which pictures (indices), how well each agrees, its strokes over the corner.

    `clear` says how much better its pictures agree than the others, 0 to 1.
    """

    corner: Corner
    scaled: bool
    members: tuple[int, ...]
    scores: tuple[float, ...]
    clear: float
    strokes: NDArray[np.bool_]

    def box(self, width: int, height: int) -> Box:
        """The mark's box in a picture of this size."""
        rows, columns = np.flatnonzero(self.strokes.any(axis=1)), np.flatnonzero(self.strokes.any(axis=0))
        left, top, side = corner_of(self.corner, width, height, scaled=self.scaled)
        factor = side / len(self.strokes) if self.scaled else 1.0
        if not self.scaled:  # a picture smaller than the corner lies at its outer end
            spare = len(self.strokes) - side
            rows = rows - (spare if "bottom" in self.corner else 0)
            columns = columns - (spare if "right" in self.corner else 0)
        box = Box(
            left + int(columns[0] * factor),
            top + int(rows[0] * factor),
            left + int(np.ceil((columns[-1] + 1) * factor)),
            top + int(np.ceil((rows[-1] + 1) * factor)),
        )
        return box.grown(0.06 * max(box.width, box.height), Box(0, 0, width, height))


def corner_of(corner: Corner, width: int, height: int, *, scaled: bool) -> tuple[int, int, int]:
    """Left, top and side of a corner's square."""
    side = max(8, round(min(width, height) * _SHARE)) if scaled else min(_FIXED, width, height)
    return (width - side if "right" in corner else 0), (height - side if "bottom" in corner else 0), side


def field(pixels: Pixels, corner: Corner, *, scaled: bool) -> Field:
    """The edges of one corner of a picture."""
    import cv2

    left, top, side = corner_of(corner, pixels.shape[1], pixels.shape[0], scaled=scaled)
    patch = cv2.cvtColor(np.ascontiguousarray(pixels[top : top + side, left : left + side]), cv2.COLOR_RGB2GRAY)
    plane = np.asarray(patch, np.float32)
    if scaled:
        how = cv2.INTER_AREA if side > _SCALED else cv2.INTER_CUBIC
        plane = np.asarray(cv2.resize(plane, (_SCALED, _SCALED), interpolation=how), np.float32)
    elif side < _FIXED:
        spare = _FIXED - side
        above, before = spare if "bottom" in corner else 0, spare if "right" in corner else 0
        plane = np.pad(plane, ((above, spare - above), (before, spare - before)), mode="edge")
    plane = cv2.GaussianBlur(plane, (0, 0), 0.8)
    x, y = cv2.Sobel(plane, cv2.CV_32F, 1, 0) / 4, cv2.Sobel(plane, cv2.CV_32F, 0, 1) / 4
    square = x * x + y * y
    strength = np.sqrt(square)
    standing = np.minimum(strength / (cv2.blur(strength, (31, 31)) + 3), 1.5)
    return np.rint(80 * np.stack([x * x - y * y, 2 * x * y]) / (square + 1e-3) * standing).astype(np.int8)


def find(fields: Sequence[Field], corner: Corner, *, scaled: bool, least: int) -> Mark | None:
    """The mark that repeats in at least `least` of these corners, None where nothing does.

    Edges are averaged over the pictures: those of a mark add up, those of the pictures cancel out. Each picture is
    then weighed by how well it agrees with the average of the others, and so again; what is left are the pictures that
    share something. It is a mark only if they agree well and in this very place, the others do not, and the rest of the
    corner differs (else the pictures show one scene).
    """
    import cv2

    if len(fields) < max(3, least):
        return None
    stack = np.stack(fields).astype(np.float32) / np.float32(80)
    weights = np.ones(len(stack), np.float32)
    place = np.zeros(stack.shape[2:], bool)
    for _ in range(10):
        mean = np.tensordot(weights, stack, 1) / weights.sum()
        strength = cv2.GaussianBlur(np.hypot(mean[0], mean[1]), (0, 0), 2.5)
        place = strength >= np.quantile(strength, 1 - _TOP)
        again = np.clip(_agreement(stack, weights, place) - 0.15, 0, None)
        if not again.any():
            return None
        weights = 0.5 * weights / weights.max() + 0.5 * again / again.max()
    members = _agreement(stack, weights, place) > 0.3
    if members.sum() < 2:
        return None
    scores = _agreement(stack, members.astype(np.float32), place)
    members &= scores >= LIKE * np.median(scores[members])
    around = ~cv2.dilate(place.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    elsewhere = _agreement(stack, members.astype(np.float32), around)
    clear = _clearness(scores, elsewhere, members)
    strokes = _strokes(place)
    if members.sum() < least or clear < _CLEAR or not strokes.any():
        return None
    chosen = np.flatnonzero(members)
    if _loss_by_moving(stack[chosen], strokes) < _IN_PLACE:
        return None
    return Mark(corner, scaled, tuple(chosen.tolist()), tuple(scores[chosen].round(3).tolist()), clear, strokes)


def score(one: Field, members: Sequence[Field], mark: Mark) -> float:
    """How well a further picture's corner agrees with the pictures that carry the mark, -1 to 1."""
    stack = np.stack([*members, one]).astype(np.float32)
    weights = np.ones(len(stack), np.float32)
    weights[-1] = 0
    return round(float(_agreement(stack, weights, mark.strokes)[-1]), 3)


def _agreement(stack: Any, weights: Any, place: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Correlation of each picture's edges in a place with those of the other pictures, itself left out; -1 to 1."""
    inside = stack[:, :, place].reshape(len(stack), -1)
    others = weights @ inside - weights[:, None] * inside
    norm = np.linalg.norm(others, axis=1) * np.linalg.norm(inside, axis=1)
    return np.asarray((others * inside).sum(axis=1) / (norm + 1e-6), np.float32)


def _loss_by_moving(stack: Any, strokes: NDArray[np.bool_]) -> float:
    """How much less pictures agree, on average of all pairs, once one of each pair is moved; the least of four ways.

    Strokes in many directions agree in one place only. What long lines or the outline of one figure have in common
    agrees nearly as well a little farther along.
    """
    apart = ~np.eye(len(stack), dtype=bool)

    def directions(values: Any) -> Any:
        inside = values[:, :, strokes].reshape(len(values), -1)
        return inside / (np.linalg.norm(inside, axis=1, keepdims=True) + 1e-6)

    still = directions(stack)
    moves = ((0, _MOVE), (_MOVE, 0), (_MOVE, _MOVE), (_MOVE, -_MOVE))
    moved = [float((still @ directions(np.roll(stack, move, (2, 3))).T)[apart].mean()) for move in moves]
    return float((still @ still.T)[apart].mean()) - max(moved)


def _clearness(scores: NDArray[np.float32], elsewhere: NDArray[np.float32], members: NDArray[np.bool_]) -> float:
    """How much better members agree than the best of the others; 0 where they agree all over the corner: one scene."""
    if float(np.median(elsewhere[members])) > _ONE_SCENE:
        return 0.0
    others = float(np.quantile(scores[~members], 0.95)) if (~members).any() else 0.0
    return round(float(np.median(scores[members])) - others, 3)


def _strokes(place: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The strokes without the specks that are far from most of them."""
    import cv2

    joined = cv2.dilate(place.astype(np.uint8), np.ones((13, 13), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    areas = np.array([int((place & (labels == n)).sum()) for n in range(len(stats))])
    areas[0] = 0
    kept = np.flatnonzero(areas >= 0.15 * areas.max()) if areas.max() else np.array([], int)
    return place & np.isin(labels, kept)
