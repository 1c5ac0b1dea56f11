"""Every adapter: structured forward and gradients equal the dense form, ΔW equals lycoris-lora's, files read back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from curate.adapters.algorithm import algorithms
from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.lokr import factorization
from curate.adapters.make import make
from curate.adapters.wrappers import Dora
from curate.train.network.network import Adapted
from tests.adapters.helpers import CASES, LAYERS, MORE, PLANS, Largest, built, sample, shaken

"""Those that test_more_adapters tries."""


@pytest.mark.parametrize(("algo", "kind", "name"), CASES)
def test_forward_and_gradients_equal_the_dense_form(algo: str, kind: str, name: str) -> None:
    torch.manual_seed(1)
    layer = LAYERS[kind]().double()
    adapter = shaken(built(algo, layer, name))
    x = sample(layer).requires_grad_()
    weight = torch.randn_like(layer(x))

    def gradients(out: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad((out * weight).sum(), [x, *adapter.parameters()]))

    structured = adapter(x)
    dense = adapter.shape.apply(x, adapter.delta())
    torch.testing.assert_close(structured, dense, rtol=1e-10, atol=1e-11)
    torch.testing.assert_close(structured, adapter.bare_forward(x) * adapter.factor, rtol=1e-10, atol=1e-11)
    for ours, theirs in zip(gradients(structured), gradients(dense), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("algo", "kind", "name"), CASES)
def test_starts_at_zero_with_a_gradient(algo: str, kind: str, name: str) -> None:
    layer = LAYERS[kind]().double()
    adapter = built(algo, layer, name)
    x = sample(layer)
    out = adapter(x)
    assert not out.any()
    assert not adapter.delta().any()
    (out * torch.randn_like(out)).sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in adapter.parameters())


def by_formula(adapter: Adapter) -> Tensor:
    """ΔW of a file's tensors as the format's table has it, written out entry by entry of the formula."""
    t = {key: value.double() for key, value in adapter.tensors().items()}
    rank, shape = adapter.rank, adapter.shape.weight
    tucker = "ij...,ip,jr->pr..."
    if "lora_up.weight" in t:
        up, down = t["lora_up.weight"].flatten(1), t["lora_down.weight"].flatten(1)
        mid = t.get("lora_mid.weight")
        bare = up @ down if mid is None else torch.einsum("mn...,im,nj->ij...", mid, up, down)
    elif "hada_t1" in t:
        halves = (torch.einsum(tucker, t[f"hada_t{n}"], t[f"hada_w{n}_a"], t[f"hada_w{n}_b"]) for n in (1, 2))
        bare = torch.mul(*halves)
    elif "hada_w1_a" in t:
        bare = (t["hada_w1_a"] @ t["hada_w1_b"]) * (t["hada_w2_a"] @ t["hada_w2_b"])
    else:
        first = t["lokr_w1"] if "lokr_w1" in t else t["lokr_w1_a"] @ t["lokr_w1_b"]
        if "lokr_w2" in t:
            second = t["lokr_w2"]
        elif "lokr_t2" in t:
            second = torch.einsum(tucker, t["lokr_t2"], t["lokr_w2_a"], t["lokr_w2_b"])
        else:
            second = (t["lokr_w2_a"] @ t["lokr_w2_b"]).reshape(shape[0] // len(first), -1, *shape[2:])
        rows = [torch.cat([value * second for value in row], dim=1) for row in first]
        bare, rank = torch.cat(rows), (1 if "lokr_w1" in t and "lokr_w2" in t else rank)
    return (bare.reshape(shape) * t["alpha"] / rank).float()


@pytest.mark.parametrize(("algo", "kind", "name"), CASES)
def test_lycoris_reads_the_same_delta(algo: str, kind: str, name: str) -> None:
    modules = pytest.importorskip("lycoris.modules")
    torch.manual_seed(2)
    layer = LAYERS[kind]()
    adapter = shaken(built(algo, layer, name, torch.float32))
    tensors = {f"lora_x.{key}": value for key, value in adapter.tensors().items()}
    torch.testing.assert_close(adapter.delta().detach(), by_formula(adapter), rtol=1e-4, atol=1e-5)
    if algo == "lokr" and ("lokr_t2" in adapter.tensors() or (kind, name) == ("oblong", "f8")):
        return  # lycoris-lora cannot reload what it writes of these
    found, parameters = modules.get_module(tensors, "lora_x")
    with torch.no_grad():
        theirs = modules.make_module(found, parameters, "lora_x", layer)
        # get_diff_weight applies alpha/rank twice for loha and lokr; the forward uses get_weight
        delta = theirs.get_weight(layer.weight.shape) if algo != "lora" else theirs.get_diff_weight(1.0)[0]
    torch.testing.assert_close(adapter.delta().detach(), delta.reshape(layer.weight.shape), rtol=1e-4, atol=1e-5)


KRON = [c for c in CASES if c[0] == "lokr" and c[1:] != ("oblong", "tucker-both-scalar")]
"""But for one on whose strides torch.kron, which lycoris-lora calls, fails: the formula above has it."""


@pytest.mark.parametrize(("algo", "kind", "name"), KRON)
def test_lokr_functional(algo: str, kind: str, name: str) -> None:
    functional = pytest.importorskip("lycoris.functional.lokr")
    layer = LAYERS[kind]().double()
    adapter = shaken(built(algo, layer, name))
    tensors = adapter.bare_tensors()
    if "lokr_t2" not in tensors and "lokr_w2_b" in tensors:
        second = tensors["lokr_w2_b"]
        tensors["lokr_w2_b"] = second.reshape(second.shape[0], -1, *adapter.shape.kernel)
    names = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")
    theirs = functional._kron_weight(*(tensors.get(n) for n in names), 1.0)
    torch.testing.assert_close(adapter.bare_delta(), theirs.reshape(adapter.shape.weight))


@pytest.mark.parametrize(("algo", "kind", "name"), CASES)
def test_tensors_read_back(algo: str, kind: str, name: str) -> None:
    layer = LAYERS[kind]()
    adapter = shaken(built(algo, layer, name, torch.float32))
    again = built(algo, layer, name, torch.float32)
    again.load(adapter.tensors())
    torch.testing.assert_close(again.delta(), adapter.delta())


@pytest.mark.parametrize(
    ("dimension", "factor", "wanted"),
    [
        (128, -1, (8, 16)),
        (250, 8, (5, 50)),
        (360, 4, (4, 90)),
        (1024, -1, (32, 32)),
        (127, 8, (1, 127)),
        (320, 8, (8, 40)),
        (8, 16, (2, 4)),
    ],
)
def test_factorization(dimension: int, factor: int, wanted: tuple[int, int]) -> None:
    assert factorization(dimension, factor) == wanted


def test_factorization_is_lycoris_own() -> None:
    theirs = pytest.importorskip("lycoris.functional.general").factorization
    for dimension in range(1, 400):
        for factor in (-1, 1, 2, 3, 4, 6, 8, 16, 24):
            assert factorization(dimension, factor) == theirs(dimension, factor)


def test_alpha_over_rank_is_the_scale_a_reader_uses() -> None:
    for name in ("r4", "r2-rs"):
        for algo in ("lora", "loha", "lokr"):
            adapter = shaken(built(algo, nn.Linear(32, 64), name))
            tensors = adapter.tensors()
            plan = Plan(**PLANS[name])
            expected = plan.alpha / (plan.rank**0.5 if plan.rs else plan.rank)
            if algo == "lokr" and "lokr_w2" in tensors:
                assert float(tensors["alpha"]) == 1.0  # both factors whole: readers apply no scale
            else:
                assert float(tensors["alpha"]) / plan.rank == pytest.approx(expected)


def test_odd_layers_are_refused() -> None:
    for odd in (nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, dilation=2), nn.Conv2d(4, 4, 3, padding="same")):
        with pytest.raises(ValueError, match="cannot be adapted"):
            Shape.of(odd)


def test_every_algorithm_is_tried() -> None:
    assert {algo for algo, _, _ in CASES} | {"locon"} | MORE == set(algorithms())


@pytest.mark.parametrize(("algo", "kind", "name"), CASES)
def test_norm_and_limit_need_no_delta(algo: str, kind: str, name: str) -> None:
    adapter = shaken(built(algo, LAYERS[kind]().double(), name))
    whole = adapter.delta().detach()
    norm = float(whole.norm())
    assert float(adapter.norm()) == pytest.approx(norm, rel=1e-9)
    adapter.limit(norm * 2)
    torch.testing.assert_close(adapter.delta().detach(), whole, rtol=1e-12, atol=1e-14)
    adapter.limit(norm / 3)
    torch.testing.assert_close(adapter.delta().detach(), whole / 3, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("algo", "kind", "name"), [c for c in CASES if c[2] in ("r4", "r3-tucker", "full")])
def test_dora_learns_the_length_of_columns(algo: str, kind: str, name: str) -> None:
    general = pytest.importorskip("lycoris.functional.general")
    torch.manual_seed(4)
    layer = LAYERS[kind]().double()
    adapter = Dora(built(algo, layer, name), layer.weight).double()
    wrapped = Adapted(layer, adapter)
    x = sample(layer)
    torch.testing.assert_close(wrapped(x), layer(x), rtol=1e-6, atol=1e-7)
    shaken(adapter)
    # lycoris-lora computes lengths in float32 as we do
    theirs = general.weight_decompose(
        (layer.weight + adapter.delta()).float(), adapter.dora_scale.float(), 1, wd_on_out=False
    )
    bias = layer.bias if not adapter.shape.kernel else layer.bias[:, None, None]
    torch.testing.assert_close(wrapped(x), adapter.shape.apply(x, theirs.double()) + bias, rtol=1e-4, atol=1e-5)
    assert adapter.tensors()["dora_scale"].shape == (1, adapter.shape.into, *(1,) * len(adapter.shape.kernel))


@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize("algo", ["lora", "loha", "lokr"])
@pytest.mark.parametrize("which", ["dropout", "rank_dropout"])
def test_dropouts_keep_the_mean_and_stop_in_evaluation(algo: str, kind: str, which: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[kind]()
    adapter = make(algo, Shape.of(layer), Plan(rank=4, alpha=4.0, **{which: 0.3}))
    adapter.start(torch.Generator().manual_seed(0))
    shaken(adapter)
    x = sample(layer).float()
    with torch.no_grad():
        base = layer(x)
        mean = torch.stack([adapter.apply_to(layer, x) - base for _ in range(400)]).mean(0)
        assert not torch.equal(adapter.apply_to(layer, x), adapter.apply_to(layer, x))
        plain = adapter.eval().apply_to(layer, x)
        assert torch.equal(plain, adapter.apply_to(layer, x))
        plain -= base
    assert float((mean - plain).norm() / plain.norm()) < 0.15


def test_module_dropout_leaves_the_whole_adapter_out() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 8, bias=False)
    nn.init.zeros_(layer.weight)
    adapter = make("lora", Shape.of(layer), Plan(rank=2, alpha=2.0, module_dropout=0.25))
    adapter.start(torch.Generator().manual_seed(0))
    shaken(adapter)
    outs = [bool(adapter.apply_to(layer, torch.ones(1, 6)).any()) for _ in range(400)]
    assert 0.65 < sum(outs) / 400 < 0.85


def test_whole_lokr_fits_half_precision_and_minds_no_foreign_alpha() -> None:
    adapter = shaken(built("lokr", nn.Linear(32, 64), "full", torch.float32))
    tensors = adapter.tensors()
    assert all(torch.isfinite(t.half()).all() for t in tensors.values())
    wanted = adapter.delta()
    adapter.load({**tensors, "alpha": torch.tensor(100_000.0)})
    torch.testing.assert_close(adapter.delta(), wanted)


def kept_bytes(run: Callable[[], Tensor], known: list[Tensor]) -> int:
    """Bytes that the way back keeps beyond these tensors."""
    seen = {t.untyped_storage().data_ptr(): t for t in known}
    new: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in seen:
            new[place] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = run()
    assert kept.requires_grad
    return sum(t.untyped_storage().nbytes() for t in new.values())


@pytest.mark.parametrize("kind", ["linear", "conv", "strided"])
@pytest.mark.parametrize("name", ["f4", "full", "both", "tucker"])
def test_backward_keeps_no_intermediate_of_lokr(kind: str, name: str) -> None:
    """All that is kept beside the input are factors' products, which do not grow with the picture."""
    layer = LAYERS[kind]()
    adapter = built("lokr", layer, name, torch.float32)
    small, large = (torch.cat([sample(layer).float()] * n) for n in (1, 20))
    kept = [kept_bytes(lambda x=x: adapter(x), [x, *adapter.parameters()]) for x in (small, large)]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize("algo", ["lora", "loha", "lokr"])
def test_mixed_precision_gives_float32_gradients(algo: str, kind: str) -> None:
    torch.manual_seed(8)
    layer = LAYERS[kind]()
    adapter = shaken(built(algo, layer, "r4", torch.float32))
    x = sample(layer).float()

    def gradients(mixed: bool) -> list[Tensor]:
        given = (x.bfloat16() if mixed else x).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            out = adapter(given)
        assert out.dtype == (torch.bfloat16 if mixed else torch.float32)
        return list(torch.autograd.grad(out.float().square().mean(), [given, *adapter.parameters()]))

    for half, whole in zip(gradients(True), gradients(False), strict=True):
        assert half.dtype == (torch.bfloat16 if half.shape == x.shape else torch.float32)
        assert float((half.float() - whole).norm() / whole.norm()) < 0.05


@pytest.mark.parametrize(
    ("algo", "name"),
    [("lora", "r4"), ("lora", "r3-tucker"), ("loha", "r4"), *(("lokr", n) for n in ("f8", "both", "full", "tucker"))],
)
@pytest.mark.parametrize("layer", [nn.Linear(256, 384), nn.Conv2d(96, 128, 3, padding=1)], ids=["linear", "conv"])
def test_limit_makes_nothing_as_large_as_the_weight(layer: nn.Module, algo: str, name: str) -> None:
    adapter = shaken(built(algo, layer, name))
    with Largest() as made:
        adapter.limit(1e-3)
    largest = max(p.numel() for p in adapter.parameters())
    assert made.size <= max(largest, adapter.shape.out * adapter.shape.into * adapter.shape.area // 2)
    assert float(adapter.delta().detach().norm()) == pytest.approx(1e-3, rel=1e-6)


def test_lycoris_reads_dora_on_the_input_axis() -> None:
    from lycoris.modules.locon import LoConModule

    layer = nn.Linear(12, 16)
    bare = make("lora", Shape.of(layer), Plan(4, 2.0))
    bare.start(torch.Generator().manual_seed(1))
    nn.init.normal_(bare.bare_tensors()["lora_up.weight"], std=0.2)
    ours = Dora(bare, layer.weight)
    ours.dora_scale.data.mul_(torch.linspace(0.5, 1.5, 12))
    held = ours.tensors()
    theirs = LoConModule("it", layer, 1.0, 4, float(held["alpha"]), weight_decompose=True, wd_on_out=False)
    theirs.load_state_dict(held, strict=False)
    x = torch.randn(5, 12, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(ours.eval().apply_to(layer, x), theirs.eval()(x), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(ours.apply_to(layer, x), layer(x), atol=1e-2)
