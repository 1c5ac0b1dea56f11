"""Storing the frozen weights of a base in fewer bits: those of the layers inside its blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from curate.adapters.quantized_layer import CLASSES, QuantizedLayer, Storage


def quantize(parts: Iterable[nn.Module], storage: Storage) -> None:
    """Stores the weights of the parts' blocks small, in place. Raises MissingError for nf4 without bitsandbytes."""
    for part in parts:
        for layer in [*block_layers(part)]:
            kind = next(kind for kind in CLASSES if isinstance(layer, kind))
            CLASSES[kind].of(layer, storage)


def block_layers(part: nn.Module) -> Iterator[nn.Module]:
    """Linear layers and convolutions inside a part's numbered blocks, norms' own layers left out.

    What stands before and after the blocks (embedders, the last layer) and what sets norms is small, and errors in it
    reach everything.
    """
    for path, module in part.named_modules():
        names = path.split(".")
        inside = any(name.isdigit() for name in names) and not any("norm" in name for name in names)
        # of a class that computes otherwise nothing is known
        if inside and type(module).forward in {kind.forward for kind in CLASSES}:
            yield module


def weight_numbers(module: nn.Module) -> int:
    """Numbers in a module's weights, those that are stored small included."""
    stored = sum(one.shape.numel() for one in module.modules() if isinstance(one, QuantizedLayer))
    return stored + sum(p.numel() for p in module.parameters())


def block_numbers(module: nn.Module) -> int:
    """Numbers in the weights that are stored small, or would be."""
    stored = sum(one.shape.numel() for one in module.modules() if isinstance(one, QuantizedLayer))
    return stored + sum(layer.weight.numel() for layer in block_layers(module))  # pyright: ignore
