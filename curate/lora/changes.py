"""What a layer of a LoRA file changes: its adapter, ΔW, and the singular values of ΔW."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from curate.adapters.base import Adapter, Layer, NormLayer, Shape
from curate.adapters.linear import LinearAdapter
from curate.adapters.make import adapter_class
from curate.diffusion.base_weights import BaseWeights
from curate.errors import InputError
from curate.lora.file import LoraFile, layer_algorithm

NEEDS_BASE = ("glora", "ia3", "diag-oft", "boft")
"""Algorithms whose ΔW is made of the base's weight."""
KERNEL = (3, 3)
"""Of convolutions larger than 1×1 in every family."""
EPSILON = 1e-12


def layer_shape(file: LoraFile, layer: str, tensors: Mapping[str, Tensor]) -> Shape | None:
    """A layer's geometry by its tensors and its place in the family; None where they do not say it."""
    out, flat, kernel = _sizes(tensors)
    if not out or not flat:
        return None
    if not kernel and (name := file.layer_name(layer)) and file.table:
        module = file.table.frame.layer(name)
        kernel = tuple(module.kernel_size) if isinstance(module, nn.Conv2d) else ()
        if name.kind in ("norm", "resnet-norm"):
            kernel = ()
    area = kernel[0] * kernel[1] if kernel else 1
    if flat % area:
        kernel, area = (), 1
    return Shape(out, flat // area, kernel, (1,) * len(kernel), tuple(k // 2 for k in kernel))


def _sizes(tensors: Mapping[str, Tensor]) -> tuple[int, int, tuple[int, ...]]:
    """Outputs, inputs times taps, and the kernel where the tensors say it; zeros where they say nothing."""
    found = {suffix: tuple(tensor.shape) for suffix, tensor in tensors.items()}
    if "lora_up.weight" in found and "lora_down.weight" in found:
        down, mid = found["lora_down.weight"], found.get("lora_mid.weight")
        kernel = (mid or down)[2:]
        return found["lora_up.weight"][0], down[1] * _area(kernel), kernel
    if "hada_w1_a" in found:
        core, a, b = found.get("hada_t1"), found["hada_w1_a"], found["hada_w1_b"]
        return (a[1], b[1] * _area(core[2:]), core[2:]) if core else (a[0], b[1], ())
    if second := found.get("lokr_w2") or _second(found):
        first = found.get("lokr_w1") or (found["lokr_w1_a"][0], found["lokr_w1_b"][1])
        return first[0] * second[0], first[1] * second[1] * _area(second[2:]), second[2:]
    if "diff" in found:
        return found["diff"][0], torch.Size(found["diff"][1:]).numel(), found["diff"][2:]
    if "b1.weight" in found:
        return found["b1.weight"][0], torch.Size(found["b2.weight"][1:]).numel(), found["b2.weight"][2:]
    if "w_norm" in found:
        return found["w_norm"][0], 1, ()
    return 0, 0, ()


def _second(found: Mapping[str, tuple[int, ...]]) -> tuple[int, ...] | None:
    if "lokr_w2_a" not in found:
        return None
    core, a, b = found.get("lokr_t2"), found["lokr_w2_a"], found["lokr_w2_b"]
    return (a[1], b[1], *core[2:]) if core else (a[0], b[1])


def _area(kernel: tuple[int, ...]) -> int:
    return torch.Size(kernel).numel()


def layer_adapter(
    file: LoraFile, layer: str, base: BaseWeights | None = None, tensors: dict[str, Tensor] | None = None
) -> Adapter:
    """A layer's adapter with the file's values; attached to the base's weight where there is one.

    Raises InputError that names the layer and what is wrong with it.
    """
    tensors = dict(file.tensors(layer) if tensors is None else tensors)
    tensors.pop("dora_scale", None)
    shapes = {suffix: tuple(tensor.shape) for suffix, tensor in tensors.items()}
    algo = layer_algorithm(shapes)
    where = f"{file.path.name}: {layer}"
    if not algo:
        raise InputError(f"{where} holds {', '.join(sorted(tensors))}, which curate cannot read")
    module = None
    if base is not None and layer in base:
        module = base_layer(base, layer, algo in NEEDS_BASE, "diff_b" in tensors)
    if algo in NEEDS_BASE and module is None:
        raise InputError(f"{where}: the change of {algo} depends on the base model", "give it with --base")
    if module is None:
        tensors.pop("diff_b", None)  # a bias is no part of ΔW
    shape = Shape.of(module) if module is not None else layer_shape(file, layer, tensors)
    try:
        if shape is None:
            raise ValueError("a tensor is missing")
        kind = adapter_class(algo)
        plan = kind.plan_of(tensors)
        adapter = kind.create(shape, replace(plan, alpha=float(plan.rank)))
        if module is not None:
            adapter.attach(module)  # pyright: ignore[reportArgumentType]
        adapter.load({k: t.float() if t.is_floating_point() else t for k, t in tensors.items()})
    except (ValueError, KeyError, IndexError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{where}: {what}", "`curate lora check` says more") from error
    return adapter.requires_grad_(False).eval()


def base_layer(base: BaseWeights, layer: str, with_weight: bool, with_bias: bool) -> Layer | NormLayer:
    """A layer of the base, with its weight in float32 or without values, and with a bias if asked for."""
    out, *rest = base.shape(layer)
    has_bias = with_bias and base.has_bias(layer)
    with torch.device("meta"):
        if not rest:
            return nn.LayerNorm(out)
        if rest[1:]:
            kernel = rest[1], rest[2]
            made: Layer = nn.Conv2d(rest[0], out, kernel, padding=(kernel[0] // 2, kernel[1] // 2), bias=has_bias)
        else:
            made = nn.Linear(rest[0], out, bias=has_bias)
    if with_weight:
        made.weight = nn.Parameter(base.weight(layer).float(), requires_grad=False)
    return made


@torch.no_grad()
def change_norm(adapter: Adapter) -> float:
    """Frobenius norm of ΔW, without making ΔW where the algorithm needs none."""
    return float(adapter.norm() if isinstance(adapter, LinearAdapter) else adapter.delta().norm())


@torch.no_grad()
def weight_change(adapter: Adapter, dora_scale: Tensor | None, weight: Tensor | None) -> Tensor:
    """ΔW in float32; with DoRA the difference of the rescaled weight, as LyCORIS defines it.

    W' = m·(W + ΔW)/‖W + ΔW‖ along the axis of m. `weight` is only needed for DoRA.
    """
    delta = adapter.delta()
    if dora_scale is None:
        return delta
    if weight is None:
        raise InputError("a DoRA depends on the base model", "give it with --base")
    whole = weight.float().reshape(delta.shape) + delta
    on_input = dora_scale.shape[0] == 1
    axis = 1 if on_input else 0
    lengths = whole.transpose(0, axis).flatten(1).norm(dim=1)
    gain = dora_scale.float().flatten() / (lengths + EPSILON)
    ones = (1,) * (whole.dim() - 2)
    return whole * gain.reshape((1, -1, *ones) if on_input else (-1, 1, *ones)) - weight.float().reshape(delta.shape)
