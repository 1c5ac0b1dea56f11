"""animetimm's dbv4 taggers: danbooru tags, each with a threshold of its own, preparation from a file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from taggers.families.pixai import Pixai as _Pixai
from taggers.family import Graph, Model
from taggers.labels import columns


def _model(name: str) -> Model:
    files = ("model.onnx", "selected_tags.csv", "preprocess.json")
    return Model(f"{name}-dbv4", f"animetimm/{name}.dbv4-full", files, "see its card", gated=True)


class Dbv4(_Pixai):
    """As PixAI, with ratings and a column `best_threshold`. Unverified: no program of its authors was read."""

    name = "dbv4"
    verified = False
    thresholds: ClassVar = {"general": 0.35, "character": 0.5}
    models: ClassVar = (_model("caformer_b36"), _model("swinv2_base_window8_256"))

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """NCHW with a recipe beside it, and thresholds in the labels."""
        recipe = (labels.parent / "preprocess.json").is_file()
        return graph is not None and not graph.channels_last and recipe and "best_threshold" in columns(labels)
