"""The name of a layer that can be adapted: in kohya's files, in our model, in an original checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "text-attn",
    "text-mlp",
    "attn",
    "mlp",
    "norm",
    "resnet",
    "resnet-lin",
    "resnet-norm",
    "resample",
    "edge",
    "time",
    "unused",
]

Rows = tuple[int, int, int]
"""First part, end, and number of all equal parts of a matrix's rows."""


@dataclass(frozen=True, slots=True)
class LayerName:
    """One layer that can be adapted.

    key    name in a kohya file, without suffix
    part   which model: unet (the network that predicts, in every family), te1, te2, conditioner
    path   attribute path inside that model as diffusers and transformers < 5 spell it
    kind   decides which presets hold it
    block  index among kohya's 25 (SD) or 23 (SDXL) blocks; -1 in a text encoder
    model     diffusers' name of the part in LoRA files; "" where that follows from `part`
    original  path in the UNet of a one-file checkpoint; "" where checkpoints spell it as `path`
    joint     path there of the matrix that holds this layer's rows, mostly with those of others; "" for `original`
    rows      (first, end, of): which of so many equal parts of that matrix's rows are this layer's
    """

    key: str
    part: str
    path: str
    kind: Kind
    block: int = -1
    original: str = ""
    model: str = ""
    joint: str = ""
    rows: Rows | None = None

    @property
    def is_joint(self) -> bool:
        """Whether the original model's programs have no name for this layer alone."""
        return bool(self.joint) and self.joint == self.original
