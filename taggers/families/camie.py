"""Camie's tagger in deepghs' ONNX form: danbooru tags, thresholds by category from a file, a refined output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from taggers.errors import BadModelError
from taggers.families.pixai import Pixai as _Pixai
from taggers.family import Graph, Model
from taggers.labels import DANBOORU, Labels, from_csv, read_json

_FILES = ("model.onnx", "selected_tags.csv", "preprocess.json", "threshold.json")


class Camie(_Pixai):
    """Rules as in dghs-imgutils; the refined output counts, and the thresholds are the balanced ones."""

    name = "camie"
    verified = True
    thresholds: ClassVar = {"general": 0.35, "character": 0.35}
    models: ClassVar = (
        Model(
            "camie-tagger",
            "deepghs/camie_tagger_onnx",
            tuple(f"initial/{f}" for f in _FILES),
            "GPL-3.0 (v2)",
        ),
    )
    extra_files = ("preprocess.json", "threshold.json")

    def labels(self, path: Path) -> Labels:
        """`…,name,category,…` with 10 for years."""
        return from_csv(path, {**DANBOORU, 10: "year"})

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """NCHW with a recipe and thresholds beside it."""
        beside = labels.parent
        here = all((beside / f).is_file() for f in self.extra_files)
        return graph is not None and not graph.channels_last and here

    def limits(self, extras: Sequence[Path]) -> dict[str, float]:
        """The `balanced` thresholds of `threshold.json`, by category."""
        path = next((p for p in extras if p.name == "threshold.json"), None)
        if path is None:
            return dict(self.thresholds)
        found = read_json(path)
        try:
            return {category: float(modes["balanced"]["threshold"]) for category, modes in found.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadModelError(f"{path}: balanced thresholds by category are expected ({error!r})") from error
