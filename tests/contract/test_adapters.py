"""Every algorithm keeps an adapter's contract: zero at the start, forward = merged weight, save → load, same bytes."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from curate.adapters.algorithm import algorithm_of, algorithms, choices
from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.make import adapter_class, make
from curate.adapters.wrappers import Dora, Dropout
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
DROPS: dict[str, dict[str, float]] = {
    "dropout": {"dropout": 0.3},
    "rank-dropout": {"rank_dropout": 0.3},
    "module-dropout": {"module_dropout": 0.3},
}
WRAPPED = ("bare", "dora", *DROPS, "dora over dropout")
FEW = ("linear", "conv")
"""Layers that wrapped adapters are tried on."""


def cases() -> Iterator[tuple[str, str, str]]:
    """Algorithm, layer and wrappers; every algorithm bare on every layer."""
    for name, found in algorithms().items():
        for kind in NORMS if found.norms else LAYERS:
            yield name, kind, "bare"
        for wrapped in WRAPPED[1:]:
            if not found.norms and ("dora" in found.options or "dora" not in wrapped):
                yield from ((name, kind, wrapped) for kind in FEW)


EVERY = pytest.mark.parametrize(("name", "kind", "wrapped"), list(cases()))
DROPPING = pytest.mark.parametrize(("name", "kind", "wrapped"), [c for c in cases() if "dropout" in c[2]])


def layer_of(kind: str) -> Any:
    torch.manual_seed(5)
    layer = (LAYERS | NORMS)[kind]().double().requires_grad_(False)
    if kind in NORMS:
        with torch.no_grad():
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.uniform_(-1, 1)
    return layer


def attached(name: str, layer: Any, wrapped: str, seed: int = 0, **plan: Any) -> Adapter:
    drops = DROPS.get(wrapped.rpartition("over ")[2], {})
    adapter = make(name, Shape.of(layer), Plan(**{"rank": 8, "alpha": 4.0, "unit": 4, **drops, **plan}))
    assert isinstance(adapter, Dropout) == bool(drops)
    adapter.attach(layer)
    adapter.start(torch.Generator().manual_seed(seed))
    adapter = adapter.double()
    return (Dora(adapter, layer.weight).double() if "dora" in wrapped else adapter).eval()


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
        if "dora_scale" in tensors:
            made.weight *= tensors["dora_scale"] / made.weight.transpose(0, 1).flatten(1).norm(dim=1).reshape(
                tensors["dora_scale"].shape
            )
        for name in ("diff_b", "b_norm"):
            if name in tensors:
                made.bias += tensors[name]
    return made


@EVERY
def test_it_changes_nothing_at_the_start(name: str, kind: str, wrapped: str) -> None:
    layer = layer_of(kind)
    adapter, x = attached(name, layer, wrapped), inputs(kind, layer)
    assert not adapter.delta().any()
    # DoRA's lengths are computed in float32
    near = 1e-6 if "dora" in wrapped else 1e-12
    torch.testing.assert_close(adapter.apply_to(layer, x), layer(x), rtol=near, atol=near)


@EVERY
def test_forward_is_the_merged_weight(name: str, kind: str, wrapped: str) -> None:
    layer = layer_of(kind)
    torch.manual_seed(7)
    adapter, x = shaken(attached(name, layer, wrapped)), inputs(kind, layer)
    changed = adapter.apply_to(layer, x)
    torch.testing.assert_close(changed, merged(layer, adapter)(x), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(changed, layer(x))


@EVERY
def test_saved_and_loaded_is_the_same(name: str, kind: str, wrapped: str) -> None:
    layer = layer_of(kind)
    torch.manual_seed(7)
    adapter = shaken(attached(name, layer, wrapped))
    tensors, declared = adapter.tensors(), algorithms()[adapter.algorithm.stored]
    assert (
        set(tensors) <= {*declared.tensors, "alpha", *(["dora_scale"] if "dora" in wrapped else [])}
        and algorithm_of(tensors) == declared.name
    )
    read = make(declared.name, Shape.of(layer), adapter_class(declared.name).plan_of(tensors))
    read.attach(layer)
    read = read.double()
    if "dora" in wrapped:
        with pytest.raises(ValueError, match="dora_scale is unexpected"):
            read.load(tensors)
        read.start(torch.Generator())
        read = Dora(read, layer.weight).double()
        with pytest.raises(ValueError, match="dora_scale is missing"):
            read.load({key: tensor for key, tensor in tensors.items() if key != "dora_scale"})
    read.load(tensors)
    x = inputs(kind, layer)
    torch.testing.assert_close(read.eval().apply_to(layer, x), adapter.apply_to(layer, x), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(read.delta(), adapter.delta(), rtol=1e-6, atol=1e-7)
    assert {k: v.shape for k, v in read.tensors().items()} == {k: v.shape for k, v in tensors.items()}


@EVERY
def test_it_is_deterministic(name: str, kind: str, wrapped: str) -> None:
    layer = layer_of(kind)
    first, second = attached(name, layer, wrapped), attached(name, layer, wrapped)
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
def test_a_batch_is_its_pictures_one_by_one(name: str, kind: str, wrapped: str) -> None:
    layer = layer_of(kind)
    torch.manual_seed(7)
    adapter, x = shaken(attached(name, layer, wrapped)), inputs(kind, layer)
    single = torch.cat([adapter.apply_to(layer, row[None]) for row in x])
    torch.testing.assert_close(adapter.apply_to(layer, x), single, rtol=1e-10, atol=1e-10)


@EVERY
def test_something_of_it_learns(name: str, kind: str, wrapped: str) -> None:
    layer = layer_of(kind)
    adapter, x = attached(name, layer, wrapped), inputs(kind, layer)
    adapter.train()
    out = adapter.apply_to(layer, x)
    (out * torch.randn_like(out)).sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in adapter.parameters())
    assert all(p.grad is None for p in layer.parameters())


@DROPPING
def test_dropout_is_off_in_evaluation(name: str, kind: str, wrapped: str) -> None:
    if (name, wrapped) == ("dylora", "rank-dropout"):
        return  # refused among the options: its ranks come and go anyway
    layer = layer_of(kind)
    torch.manual_seed(7)
    adapter, x = shaken(attached(name, layer, wrapped)), inputs(kind, layer)
    assert adapter.is_random
    plain = adapter.apply_to(layer, x)
    assert torch.equal(plain, adapter.apply_to(layer, x))
    adapter.train()
    outs = [adapter.apply_to(layer, x) for _ in range(40)]
    assert any(not torch.equal(outs[0], out) for out in outs)
    assert torch.equal(adapter.eval().apply_to(layer, x), plain)


@EVERY
def test_wrappers_rename_no_parameter(name: str, kind: str, wrapped: str) -> None:
    layer = layer_of(kind)
    bare, adapter = attached(name, layer, "bare"), attached(name, layer, wrapped)
    names = [key for key, _ in adapter.named_parameters()]
    assert names == [key for key, _ in bare.named_parameters()] + ["dora_scale"] * ("dora" in wrapped)
    assert len(list(adapter.parameters())) == len(names) == len({id(p) for p in adapter.parameters()})


@pytest.mark.parametrize("name", ["lora", "loha", "lokr", "full", "ia3", "glora"])
def test_rank_dropout_drops_ranks_or_rows(name: str) -> None:
    """Of LoRA and GLoRA ranks go, of the others rows of ΔW: what is left is scaled up by 1/(1 - share)."""
    layer = nn.Linear(24, 32, bias=False).double().requires_grad_(False)
    torch.manual_seed(7)
    adapter = shaken(attached(name, layer, "rank-dropout")).train()
    (x,) = torch.randn(1, 1, 24, dtype=torch.float64)
    whole = adapter.eval().apply_to(layer, x) - layer(x)
    dropped = adapter.train().apply_to(layer, x) - layer(x)
    if name in ("lora", "glora"):
        # no output is left as it was: each lost some of its ranks
        assert not torch.isclose(dropped, whole).any() and dropped.all()
    else:
        kept = dropped != 0
        assert kept.any() and not kept.all()
        torch.testing.assert_close(dropped[kept], whole[kept] / 0.7, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["lora", "loha", "lokr", "diag-oft", "glora", "full"])
def test_module_dropout_leaves_the_layer_alone(name: str) -> None:
    """In that share of steps nothing is added; in the others as much as ever."""
    layer = nn.Linear(24, 32).double().requires_grad_(False)
    torch.manual_seed(7)
    adapter = shaken(attached(name, layer, "module-dropout")).train()
    x = torch.randn(4, 24, dtype=torch.float64)
    changed = adapter.eval().apply_to(layer, x)
    outs = [adapter.train().apply_to(layer, x) for _ in range(300)]
    alone = sum(torch.allclose(out, layer(x), rtol=1e-12, atol=1e-12) for out in outs)
    assert all(torch.allclose(out, layer(x)) or torch.allclose(out, changed, rtol=1e-6, atol=1e-7) for out in outs)
    assert 0.2 < alone / len(outs) < 0.4


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
