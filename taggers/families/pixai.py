"""PixAI's tagger in deepghs' ONNX form: danbooru tags, characters with their works, preparation from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from taggers import outputs, preprocess_json
from taggers.base import Picture, Tensor
from taggers.errors import BadModelError
from taggers.family import Graph, Model, OnnxFamily
from taggers.labels import Labels, columns, from_csv
from taggers.prepare import opaque


class Pixai(OnnxFamily):
    """Rules as in dghs-imgutils: white background, then the transforms of `preprocess.json`."""

    name = "pixai"
    verified = True
    thresholds: ClassVar = {"general": 0.15, "character": 0.7}
    models: ClassVar = (
        Model(
            "pixai-tagger-v0.9",
            "deepghs/pixai-tagger-v0.9-onnx",
            ("model.onnx", "selected_tags.csv", "preprocess.json"),
            "Apache-2.0",
            revision="d8cf666911a2c3d10d586d7823259192313c7eb7",
            megabytes=1271,
            note="gives no rating",
        ),
    )
    label_files = ("selected_tags.csv",)
    extra_files = ("preprocess.json",)

    def labels(self, path: Path) -> Labels:
        """`…,name,category,…,ips` with a JSON list of works in `ips`."""
        return from_csv(path)

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """NCHW with a recipe beside it, and neither Camie's thresholds nor thresholds in the labels."""
        beside = labels.parent
        plain = not (beside / "threshold.json").is_file() and "best_threshold" not in columns(labels)
        return graph is not None and not graph.channels_last and plain and (beside / "preprocess.json").is_file()

    def output(self, graph: Graph) -> tuple[str, bool]:
        """The output with probabilities, else that with logits."""
        return outputs.named(graph)

    def prepare(self, picture: Picture, side: int, extras: Sequence[Path]) -> Tensor:
        """As the model's recipe says."""
        return preprocess_json.apply(preprocess_json.read(_recipe(extras)), opaque(picture))


def _recipe(extras: Sequence[Path]) -> Path:
    found = next((p for p in extras if p.name == "preprocess.json"), None)
    if found is None:
        raise BadModelError("preprocess.json is missing beside the model", "this family's preparation is written in it")
    return found
