"""Adapters that hang on the layer's own weight, and DyLoRA: the dense form in float64, lycoris-lora's effect, files."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from curate.adapters.algorithm import algorithm_of
from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.boft import butterfly
from curate.adapters.dylora import Dylora
from curate.adapters.make import adapter_class, make
from curate.train.network.network import Adapted
from tests.adapters.helpers import LAYERS, MORE, sample, shaken

FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "glora": ("glora", {"rank": 3, "alpha": 1.5}),
    "glora-scalar": ("glora", {"rank": 2, "alpha": 2.0, "scalar": True}),
    "ia3": ("ia3", {"rank": 1, "alpha": 1.0}),
    "ia3-in": ("ia3", {"rank": 1, "alpha": 1.0, "on_input": True}),
    "diag-oft": ("diag-oft", {"rank": 4, "alpha": 1.0}),
    "diag-oft-bound": ("diag-oft", {"rank": 4, "alpha": 1.0, "constraint": 0.01, "rescaled": True}),
    "boft": ("boft", {"rank": 12, "alpha": 1.0}),
    "boft-bound": ("boft", {"rank": 40, "alpha": 1.0, "constraint": 0.01, "rescaled": True}),
    "full": ("full", {"rank": 1, "alpha": 1.0}),
    "dylora": ("dylora", {"rank": 8, "alpha": 4.0, "unit": 2}),
}
SINGLE = torch.float32


def met(form: str, layer: Any, dtype: torch.dtype = torch.float64, **more: Any) -> Adapter:
    algo, plan = FORMS[form]
    adapter = make(algo, Shape.of(layer), Plan(**{**plan, **more}))
    adapter.attach(layer)
    adapter.start(torch.Generator().manual_seed(0))
    return adapter.to(dtype)


def dense(adapter: Adapter, layer: Any, x: Tensor) -> Tensor:
    bias = layer.bias + getattr(getattr(adapter, "adapter", adapter), "diff_b", torch.zeros(()))
    return adapter.shape.apply(x, layer.weight + adapter.delta(), bias)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("form", FORMS)
def test_forward_and_gradients_equal_the_dense_form(form: str, kind: str) -> None:
    torch.manual_seed(1)
    layer = LAYERS[kind]().double().requires_grad_(False)
    adapter = met(form, layer).eval()
    x = sample(layer).requires_grad_()
    torch.testing.assert_close(adapter.apply_to(layer, x), layer(x), rtol=1e-12, atol=1e-12)
    shaken(adapter)

    def gradients(out: Tensor) -> list[Tensor]:
        torch.manual_seed(2)
        return list(torch.autograd.grad((out * torch.randn_like(out)).sum(), [x, *adapter.parameters()]))

    ours, theirs = adapter.apply_to(layer, x), dense(adapter, layer, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(layer(x) + adapter(x), theirs, rtol=1e-10, atol=1e-11)
    for mine, wanted in zip(gradients(ours), gradients(theirs), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_the_first_step_has_a_gradient(form: str) -> None:
    layer = LAYERS["conv"]().requires_grad_(False)
    adapter = met(form, layer, SINGLE)
    x = sample(layer).float()
    out = adapter.apply_to(layer, x)
    (out * torch.randn_like(out)).sum().backward()
    gradients = [p.grad for p in adapter.parameters() if p.grad is not None]
    assert any(g.any() for g in gradients) and all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("kind", ["linear", "point", "conv", "strided"])
@pytest.mark.parametrize("form", FORMS)
def test_lycoris_has_the_same_effect(form: str, kind: str) -> None:
    modules = pytest.importorskip("lycoris.modules")
    torch.manual_seed(3)
    layer = LAYERS[kind]().requires_grad_(False)
    adapter = shaken(met(form, layer, SINGLE)).eval()
    x = sample(layer).float()
    wanted = adapter.apply_to(layer, x)
    tensors = {f"lora_x.{key}": value for key, value in adapter.tensors().items()}
    if form.startswith("ia3"):
        # its own reader of (IA)³ files raises a TypeError: the module takes the state as it is
        theirs = modules.IA3Module("lora_x", layer, train_on_input=form == "ia3-in")
        theirs.load_state_dict({k.removeprefix("lora_x."): v for k, v in tensors.items()})
    else:
        found, parameters = modules.get_module(tensors, "lora_x")
        with torch.no_grad():
            theirs = modules.make_module(found, parameters, "lora_x", layer)
    theirs.apply_to()
    with torch.no_grad():
        torch.testing.assert_close(layer(x), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "point", "conv"])
@pytest.mark.parametrize("form", FORMS)
def test_tensors_read_back(form: str, kind: str) -> None:
    layer = LAYERS[kind]().requires_grad_(False)
    adapter = shaken(met(form, layer, SINGLE)).eval()
    tensors = adapter.tensors()
    algo = algorithm_of(tensors)
    assert algo is not None and algo == adapter.algorithm.stored
    again = met(form, layer, SINGLE, scalar=False).eval()
    again.load(tensors)
    read = make(algo, Shape.of(layer), adapter_class(algo).plan_of(tensors))
    read.attach(layer)
    read.load(tensors)
    x = sample(layer).float()
    for other in (again, read.eval()):
        torch.testing.assert_close(other.apply_to(layer, x), adapter.apply_to(layer, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["glora", "ia3", "ia3-in", "full", "dylora"])
def test_limit_shortens_to_a_length(form: str) -> None:
    adapter = shaken(met(form, LAYERS["conv"]().double()))
    whole = adapter.delta().detach()
    adapter.limit(float(whole.norm()) * 2)
    torch.testing.assert_close(adapter.delta().detach(), whole)
    adapter.limit(float(whole.norm()) / 3)
    torch.testing.assert_close(adapter.delta().detach(), whole / 3)


@pytest.mark.parametrize("form", ["diag-oft", "boft"])
def test_turning_keeps_lengths_and_minds_the_constraint(form: str) -> None:
    layer = LAYERS["linear"]().double().requires_grad_(False)
    adapter = shaken(met(form, layer))
    turned = layer.weight + adapter.delta()
    torch.testing.assert_close(turned.norm(dim=0), layer.weight.norm(dim=0))
    bound = shaken(met(form, layer, constraint=1e-4))
    lengths = [float(a.delta().detach().norm()) for a in (bound, adapter)]
    assert 0 < lengths[0] < 0.1 * lengths[1]


@pytest.mark.parametrize("form", [f for f in FORMS if f != "diag-oft-bound"])
@pytest.mark.parametrize("which", ["dropout", "rank_dropout", "module_dropout"])
def test_dropouts_drop_while_training_alone(form: str, which: str) -> None:
    if (form, which) == ("dylora", "rank_dropout"):
        return  # refused among the options: its ranks come and go anyway
    torch.manual_seed(0)
    layer = LAYERS["linear"]().requires_grad_(False)
    adapter = shaken(met(form, layer, SINGLE, **{which: 0.4}))
    x = sample(layer).float()
    outs = [adapter.apply_to(layer, x) for _ in range(12)]
    assert any(not torch.equal(outs[0], out) for out in outs)
    adapter.eval()
    torch.testing.assert_close(adapter.apply_to(layer, x), dense(adapter, layer, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["full", "glora", "ia3-in", "diag-oft", "boft"])
def test_a_small_change_is_not_lost_in_half_precision(form: str) -> None:
    """ΔW at 0.1 % of W, below bfloat16's step: the effect of the float32 adapter on a bfloat16 base stays."""
    torch.manual_seed(5)
    wide = nn.Linear(256, 320).requires_grad_(False)
    layer = nn.Linear(256, 320).requires_grad_(False)
    layer.load_state_dict(wide.state_dict())
    layer.bfloat16()
    adapter = met(form, layer, SINGLE).eval()
    for parameter in adapter.parameters():
        nn.init.normal_(parameter, std=1.0)
    with torch.no_grad():
        goal = 1e-3 * layer.weight.float().norm()
        for _ in range(40):
            factor = (goal / adapter.delta().norm()) ** 0.5
            for parameter in adapter.parameters():
                parameter.mul_(factor)
    x = torch.randn(64, 256).bfloat16()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        added = adapter(x).float()
    with torch.no_grad():
        wanted = adapter.shape.apply(x.float(), adapter.delta(), getattr(adapter, "diff_b", None))
    assert float((added - wanted).norm() / wanted.norm()) < 0.02


def test_dylora_trains_one_unit_on_top_of_those_before() -> None:
    layer = nn.Linear(6, 10).requires_grad_(False)
    adapter = met("dylora", layer, SINGLE)
    assert isinstance(adapter, Dylora)
    shaken(adapter)
    x = torch.randn(3, 6)
    seen: set[int] = set()
    for seed in range(12):
        torch.manual_seed(seed)
        adapter.zero_grad()
        out = adapter(x)
        out.sum().backward()
        (last,) = (i for i, up in enumerate(adapter.ups) if up.grad is not None)
        assert [d.grad is not None for d in adapter.downs] == [i == last for i in range(4)]
        up, down = (torch.cat(list(p)[: last + 1], dim=d) for p, d in ((adapter.ups, 1), (adapter.downs, 0)))
        torch.testing.assert_close(out, x @ down.T @ up.T * (4.0 / (2 * (last + 1))))
        seen.add(last)
    assert seen == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="not a multiple of dylora_unit 2"):
        met("dylora", layer, SINGLE, rank=7)


@pytest.mark.parametrize("size", [2, 4, 6, 10, 16, 24, 40, 64, 1280])
def test_butterfly_is_lycoris_own(size: int) -> None:
    theirs = pytest.importorskip("lycoris.functional.general").power2factorization
    for dimension in (4, 12, 40, 320, 640, 768, 1024, 1280, 2560, 3072, 7):
        block, number = theirs(dimension, size)
        if number:
            assert butterfly(dimension, size) == (block, number)
        else:
            with pytest.raises(ValueError, match=r"smallest block|odd"):
                butterfly(dimension, size)


@pytest.mark.parametrize("layer", [nn.LayerNorm(12), nn.GroupNorm(3, 12)], ids=["layer", "group"])
def test_norms_change_weight_and_bias(layer: Any) -> None:
    lycoris = pytest.importorskip("lycoris.modules")
    torch.manual_seed(6)
    layer.requires_grad_(False)
    adapter = make("norm", Shape.of(layer), Plan(1, 1.0))
    adapter.start(torch.Generator())
    x = torch.randn(2, 5, 12) if isinstance(layer, nn.LayerNorm) else torch.randn(2, 12, 4, 3)
    wrapped = Adapted(layer, adapter)
    torch.testing.assert_close(wrapped(x), layer(x))
    shaken(adapter)
    wanted = wrapped(x)
    theirs = lycoris.NormModule("lora_x", layer)
    theirs.load_state_dict(adapter.tensors())
    theirs.apply_to()
    torch.testing.assert_close(layer(x), wanted, rtol=1e-4, atol=1e-5)
    theirs.restore()
    wanted.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in adapter.parameters())


def test_all_are_here() -> None:
    assert {algo for algo, _ in FORMS.values()} | {"norm"} == MORE
