"""Object detectors of the YOLO family as ONNX files on disk: a picture in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.core.stage import Pixels
from curate.errors import InputError, library_reason
from curate.images.analysis.boxes import Box

# two boxes of one class are one thing from an overlap of a half on; OpenCV keeps what reaches its threshold
_OVERLAP = float(np.nextafter(np.float32(0.5), np.float32(0)))


class Detection(NamedTuple):
    """A detected thing: its box, its score 0 to 1, the number of its class."""

    box: Box
    score: float
    class_id: int


class Detector:
    """A loaded detector.

    Reads the outputs of YOLOv5 (N × (5 + classes)), of YOLOv8 and later ((4 + classes) × N), and end-to-end ones
    (N × 6: corners, score, class). Input is RGB 0 to 1, letterboxed on grey 114, as all of these are trained.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """Raises InputError where the file is not there or is no such model."""
        import onnxruntime

        if not path.is_file():
            raise InputError(f"the detector {path} does not exist", "give the path of an ONNX file")
        wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"] if device != "cpu" else ["CPUExecutionProvider"]
        providers = [p for p in wanted if p in onnxruntime.get_available_providers()]
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1  # workers are spread over the cores already
        try:
            self._session = onnxruntime.InferenceSession(str(path), settings, providers=providers)
        except Exception as error:  # onnxruntime's own exceptions share no public base
            raise InputError(f"{path} is not an ONNX model that can be loaded: {library_reason(error)}") from error
        given = self._session.get_inputs()
        if len(given) != 1 or len(given[0].shape) != 4:
            raise InputError(f"{path} is not a picture detector: it takes {[i.shape for i in given]}")
        self._input = given[0]
        sides = [s for s in self._input.shape[2:] if isinstance(s, int)]
        self._height, self._width = (sides[0], sides[1]) if len(sides) == 2 else (640, 640)

    def __call__(self, pixels: Pixels, confidence: float, classes: Sequence[int] = ()) -> list[Detection]:
        """Detections, best first; of overlapping boxes of one class only the best. `classes` () takes all."""
        import cv2

        height, width = pixels.shape[:2]
        factor = min(self._width / width, self._height / height)
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        fitted = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        canvas = np.full((self._height, self._width, 3), 114, np.uint8)
        left, top = (self._width - size[0]) // 2, (self._height - size[1]) // 2
        canvas[top : top + size[1], left : left + size[0]] = fitted
        kind = np.float16 if "float16" in self._input.type else np.float32
        batch = (canvas.transpose(2, 0, 1)[None] / 255).astype(kind)
        output = np.asarray(self._session.run(None, {self._input.name: batch})[0], np.float32)
        corners, scores, class_ids = _read(output)
        corners = (corners - np.array([left, top, left, top], np.float32)) / factor
        wanted = (scores >= confidence) & (np.isin(class_ids, classes) if classes else np.ones(len(scores), bool))
        return _suppressed(corners[wanted], scores[wanted], class_ids[wanted], Box(0, 0, width, height))


def _read(output: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Corners N×4, scores N, classes N from a detector's first output. Raises InputError for another layout."""
    rows = output[0] if output.ndim == 3 else output
    if rows.ndim != 2:
        raise InputError(f"a detector with an output of shape {output.shape} is not known")
    if rows.shape[1] == 6 and rows.shape[0] != 6 and (rows[:, 2] >= rows[:, 0]).all() and _whole(rows[:, 5]):
        return rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)
    if rows.shape[0] < rows.shape[1]:  # YOLOv8: attributes first
        rows = rows.T
        scores = rows[:, 4:]
    else:
        scores = rows[:, 5:] * rows[:, 4:5] if rows.shape[1] > 5 else rows[:, 4:]
    if not scores.shape[1]:
        raise InputError(f"a detector with an output of shape {output.shape} is not known")
    centre, half = rows[:, :2], rows[:, 2:4] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
    return corners, scores.max(axis=1), scores.argmax(axis=1)


def _whole(values: NDArray[np.float32]) -> bool:
    return bool((values == np.floor(values)).all())


def _suppressed(corners: Any, scores: Any, classes: Any, within: Box) -> list[Detection]:
    """Greedy non-maximum suppression, class by class, of boxes rounded to pixels and cut to the picture."""
    import cv2

    low = np.array([within.left, within.top], np.float64)
    high = np.array([within.right, within.bottom], np.float64)
    start = np.maximum(np.rint(corners[:, :2]), low)
    size = np.minimum(np.rint(corners[:, 2:]), high) - start
    visible = (size > 0).all(axis=1)
    boxes, scores, classes = np.hstack([start, size])[visible], scores[visible], classes[visible]
    if not len(boxes):
        return []
    best = cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), classes.tolist(), -1.0, _OVERLAP)  # best first
    return [Detection(_box(boxes[n]), float(scores[n]), int(classes[n])) for n in best]


def _box(row: NDArray[np.float64]) -> Box:
    left, top, width, height = map(int, row)
    return Box(left, top, left + width, top + height)
