"""Layers whose weight is stored small: how exact they are, and what they keep for the way back."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from curate.adapters.algorithm import algorithms
from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.make import make
from curate.adapters.quantized_layer import BYTES, CLASSES, QuantizedLayer, Storage
from curate.adapters.wrappers import Dora
from curate.diffusion.quantize import block_layers, numbers_of, quantize, weight_numbers

STORAGES = [
    *("bf16", "fp8", "int8"),
    pytest.param("nf4", marks=pytest.mark.skipif(not find_spec("bitsandbytes"), reason="the extra 8bit is missing")),
]
ERRORS = {"bf16": 0.004, "fp8": 0.04, "int8": 0.01, "nf4": 0.13}
"""Largest relative errors of an output and a gradient: half a step of each form, against a weight of normal numbers."""


def layers() -> list[tuple[nn.Linear | nn.Conv2d, Tensor]]:
    torch.manual_seed(3)
    return [
        (nn.Linear(128, 64), torch.randn(2, 7, 128)),
        (nn.Linear(128, 64, bias=False), torch.randn(5, 128)),
        (nn.Conv2d(32, 64, 3, stride=2, padding=1), torch.randn(2, 32, 10, 14)),
        (nn.Conv2d(64, 32, 1), torch.randn(2, 64, 5, 6)),
    ]


def stored(layer: nn.Module, storage: Storage) -> Any:
    return CLASSES[type(layer)].of(layer.requires_grad_(False), storage)


def whole(number: int, storage: Storage) -> nn.Module:
    """The layer with the whole weight that is stored."""
    plain, _ = layers()[number]
    plain.requires_grad_(False).weight.copy_(stored(layers()[number][0], storage).weight)
    return plain


def away(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def both(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The output, and the gradient of its squares to the input."""
    x = x.clone().requires_grad_()
    out: Tensor = layer(x)
    out.square().sum().backward()
    assert x.grad is not None
    return out.detach(), x.grad


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("number", range(4))
def test_outputs_and_gradients_are_near_those_of_the_whole_weight(storage: Storage, number: int) -> None:
    layer, x = layers()[number]
    weight = layer.weight.detach().clone()
    out, gradient = both(layer.requires_grad_(False), x)
    made = stored(layer, storage)
    assert made is layer and isinstance(layer, (nn.Linear, nn.Conv2d))
    close, back = both(made, x)
    assert 0 < away(close, out) < ERRORS[storage] and 0 < away(back, gradient) < ERRORS[storage]
    assert 0 < away(made.weight, weight) < ERRORS[storage]
    assert sum(buffer.numel() for buffer in made.buffers()) <= weight.numel() * BYTES[storage] + 4 * len(weight)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("number", range(4))
def test_the_output_is_that_of_the_stored_weight(storage: Storage, number: int) -> None:
    layer, x = layers()[number]
    for one, other in zip(both(stored(layer, storage), x), both(whole(number, storage), x), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6 * float(other.abs().max()))


@pytest.mark.parametrize("storage", STORAGES)
def test_only_stored_numbers_are_kept_for_the_way_back(storage: Storage) -> None:
    for layer, x in layers():
        made = stored(layer, storage)
        kept: list[Tensor] = []

        def keep(tensor: Tensor, kept: list[Tensor] = kept) -> Tensor:
            kept.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            made(x.clone().requires_grad_())
        assert not kept


@pytest.mark.parametrize("storage", STORAGES)
def test_another_dtype_of_the_model_leaves_the_numbers(storage: Storage) -> None:
    made = stored(layers()[0][0], storage)
    before = made.stored.clone(), made.scales.clone(), made.weight
    made.to(torch.bfloat16)
    assert torch.equal(made.stored, before[0]) and torch.equal(made.scales, before[1])
    assert made.weight.dtype == torch.bfloat16
    made.to(torch.float32)
    assert torch.equal(made.weight, before[2]), "nothing was lost on the way"
    with torch.autocast("cpu", torch.bfloat16):
        assert made(torch.randn(3, 128)).dtype == torch.bfloat16


def test_a_row_of_zeros_stays_one() -> None:
    storages: tuple[Storage, ...] = ("fp8", "int8")
    for storage in storages:
        layer = nn.Linear(8, 4).requires_grad_(False)
        layer.weight[1] = 0
        assert not stored(layer, storage).weight[1].any()


def changed(name: str, dora: bool, layer: Any, x: Tensor) -> list[Tensor]:
    """Output and gradients of a layer with an adapter that has some values."""
    adapter: Adapter = make(name, Shape.of(layer), Plan(8, 8.0))
    adapter.attach(layer)
    adapter.start(torch.Generator().manual_seed(1))
    if dora:
        adapter = Dora(adapter, layer.weight)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw), alpha=0.1)
    x = x.clone().requires_grad_()
    out = adapter.apply_to(layer, x)
    out.square().mean().backward()
    return [out.detach(), *(p.grad for p in (x, *adapter.parameters()) if p.grad is not None)]


@pytest.mark.parametrize("name", [name for name, one in algorithms().items() if not one.norms])
@pytest.mark.parametrize("number", range(4))
def test_every_algorithm_changes_a_stored_weight_as_a_whole_one(name: str, number: int) -> None:
    layer, x = layers()[number]
    made = stored(layer, "int8")
    for dora in (False, True) if "dora" in algorithms()[name].options else (False,):
        results = changed(name, dora, made, x), changed(name, dora, whole(number, "int8"), x)
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * float(other.abs().max()))


def test_blocks_are_stored_and_what_stands_around_them_is_not() -> None:
    from curate.diffusion.load import load

    backbone = load("tiny", offline=True)
    unet = backbone.parts["unet"]
    numbers, inside = weight_numbers(unet), numbers_of(block_layers(unet))
    assert 0.8 * numbers < inside < numbers
    quantize([unet], "int8")
    small = {path for path, module in unet.named_modules() if isinstance(module, QuantizedLayer)}
    assert small and not [path for path in small if "conv_in" in path or "time_embedding" in path or "norm" in path]
    assert (weight_numbers(unet), numbers_of(block_layers(unet))) == (numbers, inside)
    before = [layer.stored for layer in unet.modules() if isinstance(layer, QuantizedLayer)]
    quantize([unet], "fp8")
    after = [layer.stored for layer in unet.modules() if isinstance(layer, QuantizedLayer)]
    assert all(one is other for one, other in zip(before, after, strict=True)), "none is stored twice"
