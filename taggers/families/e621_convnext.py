"""Z3D's e621 ConvNeXt tagger: e621 tags, prepared as WD, output `predictions_sigmoid`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from taggers.base import Picture, Tensor, Vocabulary
from taggers.families._e621 import from_e621
from taggers.family import Graph, Model, OnnxFamily
from taggers.labels import Labels
from taggers.prepare import bgr, opaque, square


class E621Convnext(OnnxFamily):
    """Rules as in the programs that demonstrate it: white square, bicubic, BGR, 0..255; probabilities out."""

    name = "e621-convnext"
    verified = True
    vocabulary: ClassVar[Vocabulary] = "e621"
    thresholds: ClassVar = {"general": 0.3, "character": 0.3}
    models: ClassVar = (
        Model(
            "e621-convnext",
            "toynya/Z3D-E621-Convnext",
            ("model.onnx", "tags-selected.csv"),
            "no terms stated",
            vocabulary="e621",
        ),
    )
    label_files = ("tags-selected.csv",)

    def labels(self, path: Path) -> Labels:
        """`…,name,category,…` with e621's category numbers."""
        return from_e621(path)

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """The label file's name, which no other family uses."""
        return graph is not None and graph.channels_last

    def output(self, graph: Graph) -> tuple[str, bool]:
        """`predictions_sigmoid` where the graph names it so."""
        names = [o.name for o in graph.outputs]
        return ("predictions_sigmoid" if "predictions_sigmoid" in names else names[0]), False

    def prepare(self, picture: Picture, side: int, extras: Sequence[Path]) -> Tensor:
        """side×side×3, BGR, 0..255."""
        return bgr(square(opaque(picture), side))
