"""Blocks kept in another place: the same results, the next weight on its way while one computes, what counts as one.

On a CPU the copies are real and the device is the same.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from curate.adapters.quantized_layer import QuantizedLayer, Storage
from curate.diffusion.block_swap import block_sizes, blocks, swap
from curate.diffusion.frame import frame_of_family
from curate.diffusion.quantize import block_layers, numbers_of, quantize

CPU = torch.device("cpu")


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.Linear(16, 16)
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(torch.relu(self.up(x + self.norm1(x))))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.embed = nn.Linear(8, 16)
        self.blocks = nn.ModuleList(Block() for _ in range(5))
        self.last = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


def both(model: nn.Module) -> tuple[Tensor, Tensor]:
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(1), requires_grad=True)
    out: Tensor = model(x)
    out.square().sum().backward()
    assert x.grad is not None
    return out.detach(), x.grad


@pytest.mark.parametrize("storage", ["whole", "int8", "fp8"])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_swapped_blocks_compute_the_same(storage: Storage, number: int) -> None:
    model = Model().requires_grad_(False)
    if storage != "whole":
        quantize([model], storage)
    expected = both(copy.deepcopy(model))
    fetcher = swap(model, number, CPU)
    assert len(fetcher.following) == 0
    for _ in range(3):
        for one, other in zip(both(model), expected, strict=True):
            assert torch.equal(one, other)
    kept = [m for m in model.modules() if isinstance(m, QuantizedLayer) and m.fetch]
    assert len(kept) == 2 * number and not any([*m.buffers()] for m in kept)


def test_weights_are_on_their_way_before_they_are_asked_for() -> None:
    model = Model().requires_grad_(False)
    fetcher = swap(model, 4, CPU)
    both(model)
    first = fetcher.waits
    for _ in range(5):
        both(model)
    # 16 weights a round trip: only what follows for the first time is waited for
    assert first == 16 and fetcher.waits <= first + 2


def test_a_weight_kept_elsewhere_stays_when_the_model_moves() -> None:
    model: Any = Model().requires_grad_(False)
    swap(model, 1, CPU)
    layer = model.blocks[4].up
    place = layer.stored.data_ptr()
    model.to(torch.bfloat16)
    assert layer.stored.data_ptr() == place and layer.weight.dtype == torch.bfloat16
    assert model(torch.randn(2, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize(("family", "number"), [("sd1", 31), ("sdxl", 18)])
def test_blocks_hold_every_number_that_can_be_swapped(family: str, number: int) -> None:
    unet = frame_of_family(family).parts["unet"]
    sizes = block_sizes(unet)
    assert len(sizes) == len(blocks(unet)) == number
    assert sum(sizes) == numbers_of(block_layers(unet)) and max(sizes) < 0.15 * sum(sizes)
