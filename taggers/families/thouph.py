"""Thouph's e621 EVA02 tagger with 8,041 tags: sorted labels with placeholders around them, CLIP normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from taggers.base import Picture, Tensor, Vocabulary
from taggers.errors import BadModelError
from taggers.family import Graph, Model, OnnxFamily
from taggers.labels import Labels, labels, read_json
from taggers.prepare import opaque, planes, stretch

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class Thouph(OnnxFamily):
    """Rules as in the PyTorch programs that run it: 448×448 without padding, bilinear, CLIP mean and deviation, logits.

    Unverified as ONNX: the published programs run the PyTorch file, which is a pickle and is not read here.
    """

    name = "thouph"
    vocabulary: ClassVar[Vocabulary] = "e621"
    thresholds: ClassVar = {"general": 0.3, "character": 0.3}
    models: ClassVar = (
        Model(
            "e621-eva02-448-8046",
            "Thouph/eva02-vit-large-448-8046",
            ("model.onnx", "tags_8041.json"),
            "CC-BY-NC-4.0",
            vocabulary="e621",
            megabytes=1260,
        ),
    )
    label_files = ("tags_8041.json",)

    def labels(self, path: Path) -> Labels:
        """The tags sorted, a placeholder before them, another after them, then the three ratings."""
        found = read_json(path)
        if not isinstance(found, (list, dict)) or not all(isinstance(t, str) for t in found):
            raise BadModelError(f"{path}: a list of tags is expected")
        tags = sorted(found)
        names = ["", *tags, "", "explicit", "questionable", "safe"]
        return labels(names, ["", *["general"] * len(tags), "", *["rating"] * 3])

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """NCHW, and the label file's name."""
        return graph is not None and not graph.channels_last

    def output(self, graph: Graph) -> tuple[str, bool]:
        """The first output; logits unless its name says otherwise."""
        name = graph.outputs[0].name
        return name, "sigmoid" not in name and "prob" not in name

    def prepare(self, picture: Picture, side: int, extras: Sequence[Path]) -> Tensor:
        """3×side×side, RGB, normalised."""
        scaled = stretch(opaque(picture), side, "bilinear").astype(np.float32) / np.float32(255)
        return planes((scaled - _MEAN) / _STD)
