"""Where marks are in a picture, as a record keeps it; the picture without them: cropped, covered, or painted over."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels

if TYPE_CHECKING:
    from curate.images.analysis.boxes import Box
    from curate.images.analysis.watermarks import Mark


def described(mark: Mark, score: float, width: int, height: int) -> dict[str, Any]:
    """What a record keeps of a mark: its corner, box, score and strokes."""
    strokes = base64.b85encode(zlib.compress(np.packbits(mark.strokes).tobytes(), 9)).decode()
    side = len(mark.strokes)
    box = list(mark.box(width, height))
    return {"corner": mark.corner, "scaled": mark.scaled, "box": box, "score": score, "side": side, "strokes": strokes}


def around(box: Sequence[int], pixels: Pixels) -> Sequence[int]:
    """A mark's box with a margin, inside the picture."""
    from curate.images.analysis import boxes

    whole = boxes.Box(*box)
    return whole.grown(0.06 * max(whole.width, whole.height), boxes.whole(pixels))


def without(pixels: Pixels, marks: Sequence[Mapping[str, Any]], texts: Sequence[Sequence[int]]) -> Box:
    """The picture without the strips in which marks lie: for each, the side on which the least is lost.

    What would cost more than a third of the picture stays.
    """
    from curate.images.analysis import boxes

    box = full = boxes.whole(pixels)
    for found in (boxes.Box(*b) for b in (*(m["box"] for m in marks), *texts)):
        left: Box = box._replace(left=max(box.left, found.right))
        right: Box = box._replace(right=min(box.right, found.left))
        top: Box = box._replace(top=max(box.top, found.bottom))
        bottom: Box = box._replace(bottom=min(box.bottom, found.top))
        best = max((left, right, top, bottom), key=lambda b: b.width * b.height)
        if best.width * best.height * 3 >= 2 * full.width * full.height:
            box = best
    return box


def painted_over(pixels: Pixels, marks: Sequence[Mapping[str, Any]], texts: Sequence[Sequence[int]]) -> Pixels:
    """The picture with strokes and text boxes filled from their surroundings (Telea 2004)."""
    import cv2

    return np.asarray(cv2.inpaint(pixels, covered(pixels, marks, texts), 3, cv2.INPAINT_TELEA), np.uint8)


def covered(pixels: Pixels, marks: Sequence[Mapping[str, Any]], texts: Sequence[Sequence[int]]) -> NDArray[np.uint8]:
    """255 where strokes and text boxes are, and a little around them."""
    import cv2

    mask = np.zeros(pixels.shape[:2], np.uint8)
    for mark in marks:
        _draw(mask, mark)
    for left, top, right, bottom in texts:
        mask[top:bottom, left:right] = 255
    reach = max(3, round(min(pixels.shape[:2]) * 0.004)) | 1
    return np.asarray(cv2.dilate(mask, np.ones((reach, reach), np.uint8)), np.uint8)


def _draw(mask: NDArray[np.uint8], mark: Mapping[str, Any]) -> None:
    import cv2

    from curate.images.analysis import watermarks

    side = mark["side"]
    bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b85decode(mark["strokes"])), np.uint8))
    strokes = np.asarray(bits[: side * side].reshape(side, side) * 255, np.uint8)
    height, width = mask.shape
    left, top, size = watermarks.corner_of(mark["corner"], width, height, scaled=mark["scaled"])
    if mark["scaled"]:
        strokes = np.asarray(cv2.resize(strokes, (size, size), interpolation=cv2.INTER_NEAREST), np.uint8)
    else:
        above = side - size if "bottom" in mark["corner"] else 0
        before = side - size if "right" in mark["corner"] else 0
        strokes = strokes[above : above + size, before : before + size]
    mask[top : top + size, left : left + size] |= strokes
