"""Blocks whose frozen weights stay in the machine's memory and are copied to the GPU for each product.

Weights are frozen, so they are copied one way only. While one layer computes, the next one is copied beside it: two
layers' weights are on the GPU at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from curate.adapters.quantized_layer import QuantizedLayer
from curate.diffusion.quantize import block_layers, layers, numbers_of, quantize_layer

LARGE = 1 / 20
"""Share of a part's numbers above which a block is taken apart into the numbered blocks inside it. A choice: SDXL's
UNet has 7 blocks, one of them with half of all numbers; taken apart it has 18."""


LEFT = 2
"""Blocks that stay on the device."""


class Fetcher:
    """Brings weights to the device, and ahead of time those that followed the last time.

    What follows hangs on the two layers before: on the way back the order turns round.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.following: dict[tuple[QuantizedLayer | None, QuantizedLayer], QuantizedLayer] = {}
        self.last: tuple[QuantizedLayer | None, QuantizedLayer | None] = (None, None)
        self.ahead: tuple[QuantizedLayer, tuple[Tensor, Tensor]] | None = None
        self.waits = 0
        """How many weights were not there yet when they were asked for."""

    def __call__(self, layer: QuantizedLayer) -> tuple[Tensor, Tensor]:
        """The stored numbers and scales of a layer, on the device."""
        if self.ahead is not None and self.ahead[0] is layer:
            tensors = self.ahead[1]
        else:
            self.waits += 1
            tensors = self._copy(layer)
        self.ahead = None
        self._arrive(tensors)
        before, last = self.last
        if last is not None:
            self.following[before, last] = layer
        self.last = (last, layer)
        following = self.following.get(self.last)  # type: ignore[arg-type]
        if following is not None:
            self.ahead = following, self._copy(following)
        return tensors

    def _copy(self, layer: QuantizedLayer) -> tuple[Tensor, Tensor]:
        if self.stream is None:
            return layer.stored.clone(), layer.scales.clone()
        with torch.cuda.stream(self.stream):
            return tuple(t.to(self.device, non_blocking=True) for t in (layer.stored, layer.scales))  # type: ignore[return-value]

    def _arrive(self, tensors: tuple[Tensor, Tensor]) -> None:
        if self.stream is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_stream(self.stream)
            for tensor in tensors:
                # its memory may be used for another weight only after the product that is queued now
                tensor.record_stream(current)


def swap(part: nn.Module, number: int, device: torch.device) -> Fetcher:
    """Keeps the weights of the last `number` blocks in the machine's memory; the part may be moved afterwards.

    Weights that are stored in fewer bits are copied in these.
    """
    fetcher = Fetcher(device)
    for block in blocks(part)[-number:] if number else []:
        for layer in [*layers(block)]:
            made = layer if isinstance(layer, QuantizedLayer) else quantize_layer(layer, "whole")
            stored, scales = made.stored, made.scales
            if device.type == "cuda":
                stored, scales = stored.pin_memory(), scales.pin_memory()
            made.keep(stored, scales, fetcher)
    return fetcher


def blocks(part: nn.Module) -> list[nn.Module]:
    """The blocks that can be swapped, by their paths: a model without values may hold them in another order."""
    found = _blocks(part, "", LARGE * numbers_of(block_layers(part)))
    return [block for _, block in sorted(found, key=lambda one: _natural(one[0]))]


def _natural(path: str) -> list[tuple[int, str]]:
    return [(int(name), "") if name.isdigit() else (-1, name) for name in path.split(".")]


def block_sizes(part: nn.Module) -> tuple[int, ...]:
    """Numbers in the weights of each block."""
    return tuple(numbers_of(layers(block)) for block in blocks(part))


def _blocks(node: nn.Module, path: str, most: float) -> Iterator[tuple[str, nn.Module]]:
    """Numbered modules, each taken apart where it is large and all its layers are in numbered modules of its own."""
    for name, child in node.named_children():
        place = f"{path}.{name}" if path else name
        if not name.isdigit():
            yield from _blocks(child, place, most)
            continue
        inside = [*_blocks(child, place, most)]
        numbers = numbers_of(layers(child))
        if numbers > most and sum(numbers_of(layers(one)) for _, one in inside) == numbers:
            yield from inside
        elif numbers:
            yield place, child
