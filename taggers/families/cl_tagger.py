"""cl_tagger (cella110n) up to 1.02: danbooru tags with qualities, BGR planes in -1..1, logits out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from taggers.base import Picture, Tensor
from taggers.errors import BadModelError
from taggers.family import Graph, Model, OnnxFamily
from taggers.labels import Labels, labels, read_json
from taggers.prepare import bgr, opaque, planes, square


def _version(number: str, **more: Any) -> Model:
    folder = f"cl_tagger_{number}"
    files = (f"{folder}/model.onnx", f"{folder}/tag_mapping.json")
    revision = "0b6e9b4e145b1423bfd1715119074a24a301b471"
    return Model(folder.replace("_", "-"), "cella110n/cl_tagger", files, "Apache-2.0", revision=revision, **more)


class ClTagger(OnnxFamily):
    """Rules as in the author's demonstration program: white square, bicubic, BGR, (x/255 - 0.5) / 0.5."""

    name = "cl-tagger"
    verified = True
    thresholds: ClassVar = {"general": 0.35, "character": 0.35}
    models: ClassVar = (_version("1_01", megabytes=1426), _version("1_02", megabytes=1426))
    label_files = ("tag_mapping.json",)

    def labels(self, path: Path) -> Labels:
        """`{"0": {"tag", "category"}}`, or `idx_to_tag` and `tag_to_category`; gaps are placeholders."""
        found = read_json(path)
        try:
            pairs = _pairs(found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadModelError(f"{path}: tags and categories by index are expected ({error!r})") from error
        if not pairs or max(pairs) > 10_000_000 or min(pairs) < 0:
            raise BadModelError(f"{path}: no tags, or an impossible index")
        filled = [pairs.get(i, ("", "")) for i in range(max(pairs) + 1)]
        return labels([tag for tag, _ in filled], [category.casefold() for _, category in filled])

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """NCHW, and the label file's name."""
        return graph is not None and not graph.channels_last

    def output(self, graph: Graph) -> tuple[str, bool]:
        """The first output, logits."""
        return graph.outputs[0].name, True

    def prepare(self, picture: Picture, side: int, extras: Sequence[Path]) -> Tensor:
        """3×side×side, BGR, -1..1."""
        half = np.float32(0.5)
        return planes((bgr(square(opaque(picture), side)) / np.float32(255) - half) / half)


def _pairs(found: Mapping[str, Any]) -> dict[int, tuple[str, str]]:
    if "idx_to_tag" in found:
        kinds = found["tag_to_category"]
        return {int(i): (tag, kinds.get(tag, "general")) for i, tag in found["idx_to_tag"].items()}
    return {int(i): (row["tag"], row["category"]) for i, row in found.items()}
