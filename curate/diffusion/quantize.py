"""Storing the frozen weights of a base in fewer bits: those of the layers inside its blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

from curate.adapters.quantized_layer import CLASSES, QuantizedLayer, Storage

_LEFT_ALONE = ("norm", "adaln", "modulation")
"""What sets or makes up norms: small, and errors in it reach a whole block."""


def quantize(parts: Iterable[nn.Module], storage: Storage) -> None:
    """Stores the weights of the parts' blocks small, in place. Raises MissingError for nf4 without bitsandbytes."""
    for part in parts:
        for layer in [*block_layers(part)]:
            if not isinstance(layer, QuantizedLayer):
                quantize_layer(layer, storage)


def quantize_layer(layer: nn.Module, storage: Storage) -> QuantizedLayer:
    """Stores the weight of one layer in that form, in place."""
    kind = next(kind for kind in CLASSES if isinstance(layer, kind))
    return CLASSES[kind].of(layer, storage)


def block_layers(part: nn.Module) -> Iterator[nn.Module]:
    """Linear layers and convolutions inside a part's numbered blocks; what stands around the blocks is left alone."""
    for path, layer in _layers(part):
        if any(name.isdigit() for name in path.split(".")):
            yield layer


def layers(block: nn.Module) -> Iterator[nn.Module]:
    """The layers of a block that can be stored in another form or place."""
    return (layer for _, layer in _layers(block))


def _layers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for path, layer in module.named_modules():
        # of a class that computes otherwise nothing is known
        plain = type(layer).forward in {kind.forward for kind in CLASSES}
        if (plain or isinstance(layer, QuantizedLayer)) and not any(word in path.lower() for word in _LEFT_ALONE):
            yield path, layer


def numbers_of(layers: Iterable[nn.Module]) -> int:
    """Numbers in the weights of layers, in whatever form they are stored."""
    weights: list[Any] = [one if isinstance(one, QuantizedLayer) else one.weight for one in layers]
    return sum(one.shape.numel() for one in weights)


def weight_numbers(module: nn.Module) -> int:
    """Numbers in a module's weights, in whatever form they are stored."""
    stored = numbers_of(one for one in module.modules() if isinstance(one, QuantizedLayer))
    return stored + sum(p.numel() for p in module.parameters())
