"""Tables of a transformer's layers: paths in diffusers' model and in the original one, and the names they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from curate.adapters.layer_name import Kind, LayerName, Rows

Blocks = Mapping[str, tuple[str, Kind]]
"""Layers of a block: path in diffusers' model -> path in the original model, and kind."""
Joint = Mapping[str, tuple[str, Rows]]
"""Layers of a block that the original model holds in one matrix: path in diffusers' -> path there, and which rows."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Blocks that are alike, one behind the other.

    path, original  where they are in diffusers' model and in the original one
    count           what the configuration calls their number
    numbered        whether ranks per block count them
    part, model     whose they are: our name of the part, and diffusers'
    """

    path: str
    original: str
    count: str
    layers: Blocks
    joint: Joint | None = None
    numbered: bool = True
    part: str = "unet"
    model: str = "transformer"

    def table(self, count: int, first: int) -> Iterator[LayerName]:
        """The layers of so many blocks; `first` is the number of the first among all that are numbered."""
        for n in range(count):
            yield from layer_table(
                self.model,
                f"{self.path}.{n}.",
                f"{self.original}.{n}.",
                self.layers,
                self.part,
                first + n if self.numbered else -1,
                self.joint,
            )


def thirds(joint: str, *paths: str) -> dict[str, tuple[str, Rows]]:
    """Three layers that stand one below the other in one matrix."""
    return {path: (joint, (n, n + 1, 3)) for n, path in enumerate(paths)}


def layer_table(
    model: str,
    path: str,
    original: str,
    layers: Blocks,
    part: str = "unet",
    block: int = -1,
    joint: Joint | None = None,
) -> Iterator[LayerName]:
    """The layers of a block or of what is outside blocks; `path` and `original` stand before those in `layers`.

    `model` is diffusers' name of the part.
    """
    for inner, (theirs, kind) in layers.items():
        native, (whole, rows) = f"{original}{theirs}", (joint or {}).get(inner, ("", None))
        whole = f"{original}{whole}" if whole else ""
        # what the original model holds in one matrix has no name of its own there
        key = f"lora_unet_{(f'{path}{inner}' if native == whole else native).replace('.', '_')}"
        yield LayerName(key, part, f"{path}{inner}", kind, block, native, model, whole, rows)
