"""Every algorithm keeps an adapter's contract: zero at the start, forward = merged weight, save → load, same bytes."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from curate.adapters.algorithm import algorithm_of, algorithms, choices
from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.make import adapter_class, make
from curate.train.options import TrainOptions
from tests.adapters.helpers import sample, shaken

LAYERS: dict[str, Any] = {
    "linear": lambda: nn.Linear(24, 32),
    "bare": lambda: nn.Linear(24, 32, bias=False),
    "point": lambda: nn.Conv2d(24, 32, 1),
    "conv": lambda: nn.Conv2d(12, 16, 3, padding=1),
    "strided": lambda: nn.Conv2d(12, 16, 3, stride=2, padding=1),
}
NORMS: dict[str, Any] = {"layer-norm": lambda: nn.LayerNorm(24), "group-norm": lambda: nn.GroupNorm(4, 24)}
CASES = [(name, kind) for name, found in algorithms().items() for kind in (NORMS if found.norms else LAYERS)]
EVERY = pytest.mark.parametrize(("name", "kind"), CASES)


def layer_of(kind: str) -> Any:
    torch.manual_seed(5)
    layer = (LAYERS | NORMS)[kind]().double().requires_grad_(False)
    if kind in NORMS:
        with torch.no_grad():
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.uniform_(-1, 1)
    return layer


def attached(name: str, layer: Any, seed: int = 0, **plan: Any) -> Adapter:
    adapter = make(name, Shape.of(layer), Plan(**{"rank": 8, "alpha": 4.0, "unit": 4, **plan}))
    adapter.attach(layer)
    adapter.start(torch.Generator().manual_seed(seed))
    return adapter.double().eval()


def inputs(kind: str, layer: Any) -> Tensor:
    torch.manual_seed(6)
    if kind == "layer-norm":
        return torch.randn(3, 5, 24, dtype=torch.float64)
    return torch.randn(3, 24, 6, 6, dtype=torch.float64) if kind == "group-norm" else sample(layer)


def merged(layer: Any, adapter: Adapter) -> Any:
    """The layer with its weight changed by the file's tensors alone, as a program merges it."""
    made = copy.deepcopy(layer)
    tensors = adapter.tensors()
    with torch.no_grad():
        made.weight += adapter.delta().reshape(made.weight.shape)
        for name in ("diff_b", "b_norm"):
            if name in tensors:
                made.bias += tensors[name]
    return made


@EVERY
def test_it_changes_nothing_at_the_start(name: str, kind: str) -> None:
    layer = layer_of(kind)
    adapter, x = attached(name, layer), inputs(kind, layer)
    assert not adapter.delta().any()
    torch.testing.assert_close(adapter.apply_to(layer, x), layer(x), rtol=1e-12, atol=1e-12)


@EVERY
def test_forward_is_the_merged_weight(name: str, kind: str) -> None:
    layer = layer_of(kind)
    torch.manual_seed(7)
    adapter, x = shaken(attached(name, layer)), inputs(kind, layer)
    changed = adapter.apply_to(layer, x)
    torch.testing.assert_close(changed, merged(layer, adapter)(x), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(changed, layer(x))


@EVERY
def test_saved_and_loaded_is_the_same(name: str, kind: str) -> None:
    layer = layer_of(kind)
    torch.manual_seed(7)
    adapter = shaken(attached(name, layer))
    tensors, declared = adapter.tensors(), algorithms()[adapter.algorithm.stored]
    assert set(tensors) <= {*declared.tensors, "alpha"} and algorithm_of(tensors) == declared.name
    read = make(declared.name, Shape.of(layer), adapter_class(declared.name).plan_of(tensors))
    read.attach(layer)
    read.double().load(tensors)
    torch.testing.assert_close(read.delta(), adapter.delta(), rtol=1e-6, atol=1e-7)
    assert {k: v.shape for k, v in read.tensors().items()} == {k: v.shape for k, v in tensors.items()}


@EVERY
def test_it_is_deterministic(name: str, kind: str) -> None:
    layer = layer_of(kind)
    first, second = attached(name, layer), attached(name, layer)
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    x = inputs(kind, layer)
    for training in (False, True):
        outs: list[Tensor] = []
        for adapter in (first, second):
            adapter.train(training)
            torch.manual_seed(9)
            outs.append(adapter.apply_to(layer, x))
        assert torch.equal(*outs)


@EVERY
def test_a_batch_is_its_pictures_one_by_one(name: str, kind: str) -> None:
    layer = layer_of(kind)
    torch.manual_seed(7)
    adapter, x = shaken(attached(name, layer)), inputs(kind, layer)
    single = torch.cat([adapter.apply_to(layer, row[None]) for row in x])
    torch.testing.assert_close(adapter.apply_to(layer, x), single, rtol=1e-10, atol=1e-10)


@EVERY
def test_something_of_it_learns(name: str, kind: str) -> None:
    layer = layer_of(kind)
    adapter, x = attached(name, layer), inputs(kind, layer)
    adapter.train()
    out = adapter.apply_to(layer, x)
    (out * torch.randn_like(out)).sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in adapter.parameters())
    assert all(p.grad is None for p in layer.parameters())


@pytest.mark.parametrize("name", algorithms())
def test_what_the_source_declares_is_what_the_class_has(name: str) -> None:
    assert adapter_class(name).algorithm == algorithms()[name]


@pytest.mark.parametrize("name", choices())
def test_its_options_are_options(name: str) -> None:
    found = choices()[name]
    assert set(found.options) <= set(TrainOptions.model_fields)
    assert set(found.recorded) <= {field.name for field in dataclasses.fields(Plan)}
    assert found.help and found.use and found.title
    assert TrainOptions(algo=name).algo == name
