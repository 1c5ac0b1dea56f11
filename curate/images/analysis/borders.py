"""Borders of a picture that can go: frames, the bars of a letterbox, a flat background around a subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.images.analysis.boxes import Box, whole

TOLERANCE = 12
"""How far a border's pixels may lie from its color, of 255: what JPEG at quality 70 and scanners leave."""


class Borders(NamedTuple):
    """How many pixels of each side are a border (a frame, the bars of a letterbox); 0 where there is none."""

    left: int
    top: int
    right: int
    bottom: int


def borders(pixels: Pixels, tolerance: int = TOLERANCE) -> Borders:
    """The borders with a straight inner edge, of one color or several inside one another, rounded corners included.

    The flat background around a subject is no border: its inner edge is the subject's outline. Neither is a flat sky:
    a border lies on two opposite sides, or it is nearly black or white.
    """
    box = unframed(pixels, tolerance)
    return Borders(box.left, box.top, pixels.shape[1] - box.right, pixels.shape[0] - box.bottom)


def unframed(pixels: Pixels, tolerance: int = TOLERANCE) -> Box:
    """What is left inside `borders`."""
    box = whole(pixels)
    for _ in range(_NESTED):
        inner = _without(box, _frame(_sides(pixels, box, tolerance)))
        if inner == box:
            break
        box = inner
    return _inside_corners(pixels, box, tolerance)


def trimmed(pixels: Pixels, tolerance: int = TOLERANCE, within: Box | None = None) -> tuple[Box, Box]:
    """What is left inside one flat color on each side, and how far a margin around it may reach.

    A row or column is flat while nearly all of its pixels lie within `tolerance` of the median of the outermost one.
    A margin may show flat background around a subject, but never a border again that ends in a straight edge.
    A picture that is flat altogether is left whole.
    """
    full = within or whole(pixels)
    sides = _sides(pixels, full, tolerance)
    straight = [side.width if side.straight >= _STRAIGHT else 0 for side in sides]
    return _without(full, [side.width for side in sides]), _without(full, straight)


class _Side(NamedTuple):
    """Lines of one color, that color, and which share of the line inside differs from it all at once."""

    width: int
    color: NDArray[np.float32]
    straight: float


# measured: the edge of a frame reaches 0.8 and more in photographs, an outline at most 0.4 (a disc of 50 pixels 0.28)
_STRAIGHT = 0.5
_NESTED = 4
_REACH = 18  # lines beyond a border that JPEG (blocks of 16) or scaling may have spoiled
_LIGHT = np.array([0.299, 0.587, 0.114], np.float32)
_STRAY = 0.002  # share of a line's pixels that may differ: specks of dust


def _without(box: Box, widths: Sequence[int]) -> Box:
    left, top, right, bottom = widths
    inner = Box(box.left + left, box.top + top, box.right - right, box.bottom - bottom)
    return inner if inner.width and inner.height else box


def _frame(sides: Sequence[_Side]) -> list[int]:
    """The widths of those sides that are a border and no background."""
    found = [side.width if side.straight >= _STRAIGHT and side.width >= 2 else 0 for side in sides]
    for n, side in enumerate(sides):
        plain = bool((side.color <= 16).all() or (side.color >= 239).all()) and side.straight >= 0.9
        if not (found[(n + 2) % 4] or plain):
            found[n] = 0
    return found


def _sides(pixels: Pixels, box: Box, tolerance: int) -> list[_Side]:
    """Left, top, right and bottom of a part of the picture; the columns are looked at between top and bottom."""
    part = pixels[box.top : box.bottom, box.left : box.right]
    columns = part.transpose(1, 0, 2)
    (top, above), (bottom, below) = _flat(part, tolerance), _flat(part[::-1], tolerance)
    if top + bottom >= box.height:
        return [_Side(0, above, 0.0)] * 4
    rows = slice(top, box.height - bottom)
    (left, before), (right, after) = _flat(columns[:, rows], tolerance), _flat(columns[::-1, rows], tolerance)
    if left + right >= box.width:
        return [_Side(0, above, 0.0)] * 4
    across = slice(left, box.width - right)
    return [
        _Side(left, before, _straightness(columns[:, rows], left, before)),
        _Side(top, above, _straightness(part[:, across], top, above)),
        _Side(right, after, _straightness(columns[::-1, rows], right, after)),
        _Side(bottom, below, _straightness(part[::-1, across], bottom, below)),
    ]


def _flat(lines: NDArray[np.uint8], tolerance: int) -> tuple[int, NDArray[np.float32]]:
    """How many of the lines are of the first one's color, and that color."""
    import cv2

    color = np.median(lines[0], axis=0).astype(np.float32)
    stray = max(1, int(_STRAY * lines.shape[1])) if lines.shape[1] > 50 else 0
    for start in range(0, len(lines), 64):
        # a little blur along the line: the grain of a scan is no content
        some = np.asarray(cv2.blur(np.ascontiguousarray(lines[start : start + 64]), (5, 1)), np.float32)
        other = np.flatnonzero((np.abs(some - color).max(axis=2) > tolerance).sum(axis=1) > stray)
        if len(other):
            return _to_step(lines, start + int(other[0]), color, tolerance), color
    return len(lines), color


def _to_step(lines: NDArray[np.uint8], count: int, color: NDArray[np.float32], tolerance: int) -> int:
    """So many flat lines and those behind them that are only spoiled, up to the step where the content begins."""
    if count >= len(lines):
        return count
    start = max(0, count - 1)
    some = lines[start : start + _REACH + 2].astype(np.float32)
    away = some - color
    steps = np.abs(np.diff(some, axis=0)).max(axis=2).mean(axis=1)
    if not len(steps):
        return count
    last = int(steps.argmax())
    first = last - 1 if last and steps[last - 1] > 0.25 * steps[last] else last
    # JPEG smears color over twice the distance, and much more of it, than light
    light = np.abs(away[: first + 1] @ _LIGHT).mean(axis=1).max()
    if light > 1.5 * tolerance or np.abs(away[: first + 1]).max(axis=2).mean() > 3 * tolerance:
        return count
    mixed = last + 2 < len(some) and steps[last + 1] > 0.35 * steps[last] and _between(some[last : last + 3])
    return start + last + 1 + int(mixed)


def _between(three: NDArray[np.float32]) -> bool:
    """Whether the middle one of three lines is a mixture of the others: an edge that scaling has smeared."""
    first, middle, last = three
    onward = ((middle - first) * (last - middle)).sum(axis=1) > 0
    return float(onward.mean()) > 0.8


def _straightness(lines: NDArray[np.uint8], count: int, color: NDArray[np.float32]) -> float:
    """Share of the first lines inside a border that differs from the border as a whole."""
    if not 0 < count < len(lines):
        return 0.0
    grain = float(np.abs(lines[max(0, count - 16) : count] - color).max(axis=2).mean())
    inside = lines[count : count + 2].astype(np.float32).mean(axis=0)
    return float((np.abs(inside - color).max(axis=1) > max(4.0, 2 * grain)).mean())


def _inside_corners(pixels: Pixels, box: Box, tolerance: int) -> Box:
    """The largest part of the box that rounded corners leave free of what is around the picture."""
    part = box.of(pixels)
    corners = [part, part[:, ::-1], part[::-1], part[::-1, ::-1]]
    colors = np.array([corner[0, 0] for corner in corners], np.int16)
    # JPEG leaves more noise at a curve than in a plain border; where the picture itself is dark, one corner may hide
    cut = sorted(_rounded(corner, 2.5 * tolerance) for corner in corners)
    if not cut[1] or cut[2] > 2 * cut[1] or int((colors.max(axis=0) - colors.min(axis=0)).max()) > 2 * tolerance:
        return box
    return _without(box, [cut[2] + 1] * 4)


def _rounded(corner: Pixels, tolerance: float) -> int:
    """How far the diagonal of a rounded corner at the top left runs outside of the picture; 0 for no such corner."""
    most = min(corner.shape[:2]) // 5

    def run(line: NDArray[np.uint8]) -> int:
        other = np.flatnonzero(np.abs(line.astype(np.int16) - corner[0, 0]).max(axis=1) > tolerance)
        return int(other[0]) if len(other) else len(line)

    across, down = run(corner[0]), run(corner[:, 0])
    diagonal = run(corner[range(most), range(most)]) if most else 0
    radius = min(across, down)  # along the other side the picture itself may be of that color
    return diagonal if 4 <= radius <= most and 0.2 * radius <= diagonal <= 0.62 * radius else 0
