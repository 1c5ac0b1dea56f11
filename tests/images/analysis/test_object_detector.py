"""Object detector: overlapping boxes of one class are reduced to the best one, as plain greedy suppression does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curate.images.analysis.boxes import Box
from curate.images.analysis.object_detector import Detection, Detector
from tests.stages.detectors import model

SIDE = 64


def greedy(rows: np.ndarray, confidence: float, within: Box) -> list[Detection]:
    """Suppression in plain Python, of rows left, top, right, bottom, score, class."""
    kept: list[Detection] = []
    for left, top, right, bottom, score, class_id in sorted(rows.tolist(), key=lambda row: -row[4]):
        box = Box(
            max(0, round(left)), max(0, round(top)), min(within.right, round(right)), min(within.bottom, round(bottom))
        )
        alone = box.width and box.height and all(o.class_id != class_id or overlap(o.box, box) < 0.5 for o in kept)
        if alone and score >= confidence:
            kept.append(Detection(box, score, int(class_id)))
    return kept


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    shared = Box(max(a.left, b.left), max(a.top, b.top), min(a.right, b.right), min(a.bottom, b.bottom))
    area = shared.width * shared.height
    return area / (a.width * a.height + b.width * b.height - area)


def detect(folder: Path, rows: np.ndarray, confidence: float = 0.25) -> list[Detection]:
    """What a detector finds that answers `rows` for a picture of its own size."""
    detector = Detector(model(folder / "detector.onnx", rows[None], SIDE))
    return detector(np.zeros((SIDE, SIDE, 3), np.uint8), confidence)


@pytest.mark.parametrize("seed", range(20))
def test_suppression_is_the_plain_greedy_one(tmp_path: Path, seed: int) -> None:
    """Random boxes that overlap, reach out of the picture, are empty, or have equal scores."""
    random = np.random.default_rng(seed)
    start = random.uniform(-10, SIDE, (200, 2))
    size = random.uniform(0, 40, (200, 2)) * random.integers(0, 8, (200, 1)).clip(0, 1)
    scores = random.integers(0, 60, (200, 1)) / 64
    rows = np.hstack([start, start + size, scores, random.integers(0, 3, (200, 1))]).astype(np.float32)
    expected = greedy(rows, 0.25, Box(0, 0, SIDE, SIDE))
    assert 10 < len(expected) < 150
    assert detect(tmp_path, rows) == expected


def test_boxes_that_overlap_by_exactly_a_half_are_one(tmp_path: Path) -> None:
    rows = np.array([[0, 0, 20, 20, 0.9, 1], [0, 0, 20, 10, 0.8, 1], [0, 0, 20, 10, 0.7, 2], [40, 0, 60, 9, 0.6, 1]])
    rows = np.vstack([rows, np.zeros((4, 6))]).astype(np.float32)
    assert [(d.class_id, d.box) for d in detect(tmp_path, rows)] == [
        (1, Box(0, 0, 20, 20)),
        (2, Box(0, 0, 20, 10)),
        (1, Box(40, 0, 60, 9)),
    ]


def test_nothing_detected_is_an_empty_list(tmp_path: Path) -> None:
    assert detect(tmp_path, np.zeros((8, 6), np.float32)) == []
