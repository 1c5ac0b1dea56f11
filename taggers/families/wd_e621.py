"""The WD layout with e621's tags (nzs234/eva02_large_E621_FULL_V1).

Unverified: its card was read, its program was not.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from taggers.base import Vocabulary
from taggers.families._e621 import from_e621
from taggers.families.wd import Wd as _Wd
from taggers.family import Graph, Model
from taggers.labels import Labels, categories


class WdE621(_Wd):
    """Prepared as WD; the labels carry e621's categories."""

    name = "wd-e621"
    verified = False
    vocabulary: ClassVar[Vocabulary] = "e621"
    thresholds: ClassVar = {"general": 0.60, "character": 0.65, "species": 0.60}
    models: ClassVar = (
        Model(
            "e621-eva02-large",
            "nzs234/eva02_large_E621_FULL_V1",
            ("model.onnx", "selected_tags.csv"),
            "MIT (on its card)",
            vocabulary="e621",
            gated=True,
            megabytes=1260,
        ),
    )

    def labels(self, path: Path) -> Labels:
        """As WD, with e621's category numbers."""
        return from_e621(path)

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """NHWC, and a category that only e621 has."""
        return graph is not None and graph.channels_last and bool(categories(labels) & {"5", "7", "8"})
