"""A detector of adversarial noise as an ONNX classifier on disk, asked about several crops."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cleaners import Picture
from cleaners.errors import BadModelError, library_reason
from cleaners.upscalers.onnx_network import session

Values = Literal["0..1", "-1..1", "imagenet"]
_MEAN, _STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


@dataclass
class Detector:
    """The probability that a picture is perturbed, averaged over seeded crops at the picture's own resolution.

    path    a graph with one input N×3×H×W and one output: one number, or one per class, the last being "perturbed"
    values  what the graph expects of pixels
    logits  whether its output is before the sigmoid (one number) or softmax (several)
    crops   how many; crops cost time and steady the answer
    side    side of a crop where the graph leaves it open
    """

    path: Path
    device: str = "cpu"
    values: Values = "0..1"
    logits: bool = True
    crops: int = 5
    seed: int = 0
    side: int = 224
    _session: Any = field(init=False)

    def __post_init__(self) -> None:
        """Loads the graph. Raises BadModelError and MissingModelError."""
        self._session = session(self.path, self.device)
        entries = self._session.get_inputs()
        if len(entries) != 1 or len(entries[0].shape) != 4:
            raise BadModelError(
                f"{self.path}: not a picture classifier: inputs are {[e.shape for e in entries]}", "expected N×3×H×W"
            )
        fixed = entries[0].shape[2]
        self.side = fixed if isinstance(fixed, int) and fixed > 0 else self.side
        self._single = entries[0].shape[0] == 1
        self._name = entries[0].name

    def __call__(self, picture: Picture) -> float:
        """0..1; the crops derive from the seed and the picture."""
        import cv2

        if min(picture.shape[:2]) < self.side:
            factor = self.side / min(picture.shape[:2])
            size = (max(self.side, round(picture.shape[1] * factor)), max(self.side, round(picture.shape[0] * factor)))
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
        dice = np.random.default_rng((self.seed << 32) ^ zlib.crc32(picture.tobytes()))
        tops = dice.integers(0, picture.shape[0] - self.side + 1, self.crops)
        lefts = dice.integers(0, picture.shape[1] - self.side + 1, self.crops)
        crops = np.stack([picture[t : t + self.side, x : x + self.side] for t, x in zip(tops, lefts, strict=True)])
        return float(
            np.mean([self._ask(group) for group in (np.split(crops, self.crops) if self._single else [crops])])
        )

    def _ask(self, crops: NDArray[np.uint8]) -> float:
        values = crops.astype(np.float32) / 255
        if self.values == "-1..1":
            values = values * 2 - 1
        elif self.values == "imagenet":
            values = (values - _MEAN) / _STD
        batch = np.ascontiguousarray(values.transpose(0, 3, 1, 2), np.float32)
        try:
            out = np.asarray(self._session.run(None, {self._name: batch})[0], np.float64).reshape(len(crops), -1)
        except Exception as error:
            raise BadModelError(f"{self.path}: {library_reason(error)}") from error
        if self.logits and out.shape[1] == 1:
            out = 1 / (1 + np.exp(-out))
        elif self.logits:
            out = np.exp(out - out.max(axis=1, keepdims=True))
            out /= out.sum(axis=1, keepdims=True)
        return float(np.clip(out[:, -1], 0, 1).mean())
