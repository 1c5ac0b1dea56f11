"""WD taggers (SmilingWolf): danbooru tags, BGR 0..255, probabilities out; and models of others in the same layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from taggers.base import Picture, Tensor
from taggers.family import Graph, Model, OnnxFamily
from taggers.labels import Labels, from_csv
from taggers.prepare import bgr, opaque, square

_FILES = ("model.onnx", "selected_tags.csv")


def _v3(kind: str, megabytes: int) -> Model:
    name = f"wd-{kind}-tagger-v3"
    return Model(name, f"SmilingWolf/{name}", _FILES, "Apache-2.0", megabytes=megabytes)


def _v2(kind: str, megabytes: int) -> Model:
    name = f"wd-v1-4-{kind}-tagger-v2"
    return Model(name, f"SmilingWolf/{name}", _FILES, "Apache-2.0", megabytes=megabytes)


class Wd(OnnxFamily):
    """Rules as in the author's own demonstration program: white square, bicubic, BGR, no normalisation."""

    name = "wd"
    verified = True
    models: ClassVar = (
        Model("palette", "", _FILES, "Apache-2.0", embedded=True, note="measures colours and background; no weights"),
        _v3("vit", 378),
        _v3("convnext", 394),
        _v3("swinv2", 467),
        _v3("vit-large", 1260),
        _v3("eva02-large", 1260),
        _v2("vit", 373),
        _v2("convnext", 388),
        _v2("convnextv2", 388),
        _v2("swinv2", 396),
        _v2("moat", 326),
    )
    label_files = ("selected_tags.csv",)

    def labels(self, path: Path) -> Labels:
        """`tag_id,name,category,count`."""
        return from_csv(path)

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """NHWC, and a csv of the name that the family uses."""
        return graph is not None and graph.channels_last and labels.name == "selected_tags.csv"

    def prepare(self, picture: Picture, side: int, extras: Sequence[Path]) -> Tensor:
        """side×side×3, BGR, 0..255."""
        return bgr(square(opaque(picture), side))
