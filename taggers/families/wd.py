"""WD taggers (SmilingWolf): danbooru tags, BGR 0..255, probabilities out; and models of others in the same layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from taggers.base import Picture, Tensor
from taggers.family import Graph, Model, OnnxFamily
from taggers.labels import Labels, categories, from_csv
from taggers.prepare import bgr, opaque, square

_FILES = ("model.onnx", "selected_tags.csv")


def _model(name: str, revision: str, megabytes: int) -> Model:
    return Model(name, f"SmilingWolf/{name}", _FILES, "Apache-2.0", revision=revision, megabytes=megabytes)


class Wd(OnnxFamily):
    """Rules as in the author's own demonstration program: white square, bicubic, BGR, no normalisation."""

    name = "wd"
    verified = True
    models: ClassVar = (
        Model("palette", "", _FILES, "Apache-2.0", embedded=True, note="measures colors and background; no weights"),
        _model("wd-vit-tagger-v3", "7f6b584d0bd3f55c4531f14ba3d4761b2bccdc0f", 379),
        _model("wd-convnext-tagger-v3", "d39e46de298d27340111b64965e20b8185c407e6", 395),
        _model("wd-swinv2-tagger-v3", "627aef95638667ddcaa3ac8ae625e88ea5b02f51", 467),
        _model("wd-vit-large-tagger-v3", "ae469aa2e4706a3af08d3673cf73a11d1add314c", 1261),
        _model("wd-eva02-large-tagger-v3", "b25b82a03f7282e41aa2f257a52c7583b710bd1c", 1260),
        _model("wd-v1-4-vit-tagger-v2", "v2.0", 373),
        _model("wd-v1-4-convnext-tagger-v2", "v2.0", 388),
        _model("wd-v1-4-convnextv2-tagger-v2", "bf364499ea843a403cc2770072f31f5cfb2ffa58", 388),
        _model("wd-v1-4-swinv2-tagger-v2", "v2.0", 396),
        _model("wd-v1-4-moat-tagger-v2", "8452cddf280b952281b6e102411c50e981cb2908", 326),
    )
    label_files = ("selected_tags.csv",)

    def labels(self, path: Path) -> Labels:
        """`tag_id,name,category,count`."""
        return from_csv(path)

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """NHWC, and no category that only e621 has."""
        return graph is not None and graph.channels_last and not categories(labels) & {"5", "7", "8"}

    def prepare(self, picture: Picture, side: int, extras: Sequence[Path]) -> Tensor:
        """side×side×3, BGR, 0..255."""
        return bgr(square(opaque(picture), side))
