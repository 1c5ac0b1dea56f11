"""A layer and its adapter in one step: the same output and gradients as the dense form, whichever form is chosen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from curate.adapters.base import Adapter, Shape
from tests.adapters.helpers import CASES, LAYERS, built, sample, shaken


def compared(adapter: Adapter, layer: nn.Module, x: Tensor, given: tuple[Tensor, ...]) -> None:
    wide = torch.randn_like(layer(x))

    def gradients(out: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad((out * wide).sum(), given)

    ours = adapter.apply_to(layer, x)  # type: ignore[arg-type]
    dense = layer(x) + adapter.shape.apply(x, adapter.delta())
    torch.testing.assert_close(ours, dense, rtol=1e-10, atol=1e-10)
    for mine, wanted in zip(gradients(ours), gradients(dense), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("many", [False, True], ids=["few", "many"])
@pytest.mark.parametrize(("algo", "kind", "name"), CASES)
def test_layer_and_adapter_equal_the_dense_form(algo: str, kind: str, name: str, many: bool) -> None:
    """Few positions favour factors, many W + ΔW."""
    torch.manual_seed(3)
    layer = LAYERS[kind]().double().requires_grad_(False)
    adapter = shaken(built(algo, layer, name))
    x = torch.cat([sample(layer)] * (40 if many else 1)).requires_grad_()
    compared(adapter, layer, x, (x, *adapter.parameters()))


@pytest.mark.parametrize("kind", ["linear", "point", "conv"])
@pytest.mark.parametrize("algo", ["lora", "loha", "lokr"])
def test_only_what_is_wanted_gets_a_gradient(algo: str, kind: str) -> None:
    torch.manual_seed(4)
    layer = LAYERS[kind]().double().requires_grad_(False)
    adapter = shaken(built(algo, layer, "r4"))
    x = sample(layer)
    compared(adapter, layer, x, tuple(adapter.parameters()))
    first, *rest = adapter.parameters()
    first.requires_grad_(False)
    compared(adapter, layer, x.requires_grad_(), (x, *rest))
    adapter.requires_grad_(False)
    compared(adapter, layer, x, (x,))


@pytest.mark.parametrize("kind", ["linear", "point", "conv"])
@pytest.mark.parametrize("algo", ["lora", "loha", "lokr"])
def test_mixed_precision_keeps_a_change_too_small_for_the_weight(algo: str, kind: str) -> None:
    """ΔW of a five-hundredth of W, which W + ΔW would lose in bfloat16."""
    torch.manual_seed(5)
    layer = LAYERS[kind]().bfloat16().requires_grad_(False)
    adapter = shaken(built(algo, layer, "r4", torch.float32))
    with torch.no_grad():
        adapter.rescale(adapter.scale * float(adapter.norm() / layer.weight.norm()) * 500)
    adapter.scale /= float(adapter.norm() / layer.weight.norm()) * 500
    x = torch.cat([sample(layer)] * 40).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        wide = torch.randn_like(layer(x))
        out = adapter.apply_to(layer, x)  # type: ignore[arg-type]
        change = out - layer(x)
    assert out.dtype == torch.bfloat16
    found = torch.autograd.grad((out * wide).sum(), [x, *adapter.parameters()])
    plain = layer.float()
    x32 = x.detach().float().requires_grad_()
    dense = plain(x32) + adapter.shape.apply(x32, adapter.delta())
    wanted = torch.autograd.grad((dense * wide).sum(), [x32, *adapter.parameters()])
    torch.testing.assert_close(out.float(), dense, rtol=0.02, atol=0.02 * float(dense.detach().std()))
    assert change.any()
    for mine, theirs, parameter in zip(found[1:], wanted[1:], adapter.parameters(), strict=True):
        assert mine.dtype == parameter.dtype == torch.float32
        assert float((mine - theirs).norm() / theirs.norm()) < 0.03


def test_few_and_many_take_different_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the comparison above would try one form twice."""
    from curate.adapters import loha, lokr

    for module, algo, name in ((loha, "loha", "r9"), (lokr, "lokr", "full")):
        seen: list[int] = []

        def counted(
            shape: Shape, layer: nn.Module, x: Tensor, *rest: object, seen: list[int] = seen, to=module.merged
        ) -> Tensor:
            seen.append(x.numel())
            return to(shape, layer, x, *rest)

        monkeypatch.setattr(module, "merged", counted)
        layer = nn.Linear(256, 256).requires_grad_(False)
        adapter = built(algo, layer, name, torch.float32)
        for rows in (2, 20_000):
            adapter.apply_to(layer, torch.zeros(rows, 256))
        assert seen == [20_000 * 256]
