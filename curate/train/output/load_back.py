"""What diffusers' own loader makes of a written LoRA file, compared with the adapters that it was written from.

The base is not needed for it: the loader gives the factors of each layer under its model's names, and PEFT, which
diffusers hands them to, multiplies them at strength 1 or, of LoRA, at the one that the file's header says.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from curate.adapters.base import Adapter
from curate.adapters.key_names import DOWN, PEFT, UP, WRITTEN, models_of
from curate.adapters.layer_name import LayerName
from curate.adapters.linear import LinearAdapter
from curate.adapters.make import adapter_class
from curate.adapters.peft_config import scale
from curate.diffusion.family import Family
from curate.diffusion.library_logging import quiet
from curate.errors import CurateError
from curate.train.network.network import Network

PROBES = 4
"""Random inputs of a layer: two different ΔW agree on them with probability 0."""
TOLERANCE = 0.02
"""Largest relative error of ΔW·x; rounding both factors to bf16 makes 0.003."""


def is_read(network: Network, names: str) -> bool:
    """Whether diffusers reads files of this family with these names and algorithms, by what is known of it."""
    return names in _read(network)


def _read(network: Network) -> tuple[str, ...]:
    """The names under which diffusers reads the family's files of these algorithms."""
    adapters, family = network.adapters.values(), network.backbone.family
    stored = {adapter.algorithm.stored for adapter in adapters}
    if any(adapter.decomposed for adapter in adapters) or len(stored) != 1:
        return ()
    return {"lora": family.readers.get("diffusers", ()), "lokr": family.diffusers_lokr}.get(stored.pop(), ())


def check(path: Path, network: Network, names: str) -> None:
    """Raises CurateError that names a layer which diffusers loads as nothing, or at another strength.

    Of families, names and algorithms that it does not read nothing is claimed, and their files are not looked at.
    """
    if odd := _lost(network, names, str(path.parent), {"weight_name": path.name, "local_files_only": True}):
        other = next(iter(_others(network, names)), "kohya")
        convert = f"curate lora convert {shlex.quote(str(path))} --to {other} -o NEW.safetensors"
        raise CurateError(
            f"diffusers {version('diffusers')} does not load {path} as it was trained: {odd}",
            f"the file is kept, and other programs may read it; for diffusers try other names: `{convert}`",
        )


def check_names(tensors: Mapping[str, Tensor], network: Network, names: str) -> None:
    """The same of the tensors that a file would hold, before hours are spent on training them."""
    if odd := _lost(network, names, dict(tensors), {}):
        other = " or ".join(_others(network, names))
        raise CurateError(
            f"diffusers {version('diffusers')} would not load what is trained here: {odd}",
            f"choose other names: {other}; or exclude the layer" if other else "exclude the layer",
        )


def _others(network: Network, names: str) -> list[str]:
    """Other names that are written and that diffusers reads."""
    return [name for name in _read(network) if name in WRITTEN and name != names]


def _lost(network: Network, names: str, held: str | dict[str, Tensor], given: Mapping[str, Any]) -> str:
    """What diffusers' loader makes otherwise of a folder's file, or of tensors; "" where nothing, or not looked at."""
    loader = _loader(network.backbone.family) if is_read(network, names) else None
    if loader is None:
        return ""
    try:
        with quiet():
            tensors, header = loader.lora_state_dict(held, return_lora_metadata=True, use_safetensors=True, **given)
        odd = _odd(network, tensors, header or {})
    except Exception as error:  # a converter may stumble over anything, and so would every reader of the file
        odd = [f"{type(error).__name__}: {error}"]
    if not odd:
        return ""
    return odd[0] + (f", and {len(odd) - 1} more" if odd[1:] else "")


def _loader(family: Family) -> Any:
    """The pipeline that loads LoRAs of the family; None where this version of diffusers has none."""
    import diffusers

    pipeline: Any = getattr(diffusers, family.pipelines[0], None)
    return pipeline if hasattr(pipeline, "lora_state_dict") else None


def _odd(network: Network, held: dict[str, Tensor], header: Mapping[str, Any]) -> list[str]:
    """What is not as it was trained, in words; layers first, then keys of no layer."""
    odd: list[str] = []
    for key, adapter in network.adapters.items():
        layer = network.layer_names[key]
        stem = f"{models_of(layer)[0]}.{layer.path}"
        endings = PEFT if adapter.algorithm.stored == "lora" else {name: name for name in adapter.algorithm.tensors}
        loaded = {ours: held.pop(f"{stem}.{theirs}") for theirs, ours in endings.items() if f"{stem}.{theirs}" in held}
        if what := _loaded(adapter, loaded, lambda rank, layer=layer: _strength(header, layer, rank)):
            odd.append(f"the layer {stem} loads {what}")
    return odd + [f"{key} belongs to no layer that was trained" for key in held]


def _strength(header: Mapping[str, Any], layer: LayerName, rank: int) -> float:
    """What PEFT multiplies a layer's factors with: 1 where the header says nothing."""
    model = f"{models_of(layer)[0]}."
    own = {key.removeprefix(model): value for key, value in header.items() if key.startswith(model)}
    return scale(own, layer.path, rank) if own else 1.0


def _loaded(adapter: Adapter, loaded: Mapping[str, Tensor], strength: Callable[[int], float]) -> str:
    """How a layer's tensors differ from the adapter's, in words; `strength` is what the header says for a rank."""
    if adapter.algorithm.stored == "lokr":
        return _kronecker_difference(adapter, loaded) if loaded else "as nothing"
    if not {DOWN, UP} <= loaded.keys():
        return "as nothing"
    return _difference(adapter, loaded[DOWN], loaded[UP], strength(len(loaded[DOWN])))


@torch.no_grad()
def _kronecker_difference(adapter: Adapter, loaded: Mapping[str, Tensor]) -> str:
    """The same of LoKr: ΔW·x of a file's tensors, which PEFT applies at strength 1."""
    probes = torch.randn(PROBES, adapter.shape.into, generator=torch.Generator().manual_seed(0))

    def applied(tensors: Mapping[str, Tensor]) -> Tensor:
        plain = {suffix: tensor.detach().float().cpu() for suffix, tensor in tensors.items()}
        made = adapter_class("lokr")(adapter.shape, adapter_class("lokr").plan_of(plain))
        assert isinstance(made, LinearAdapter)
        made.load(plain)
        return made.product(probes)

    try:
        return _compared(applied(loaded), applied(adapter.tensors()))
    except (ValueError, KeyError) as error:
        return f"with other tensors: {error}"


@torch.no_grad()
def _difference(adapter: Adapter, down: Tensor, up: Tensor, strength: float) -> str:
    """How ΔW·x of loaded factors differs from the adapter's, in words; "" where only by rounding."""
    pair = adapter.factors()
    assert pair is not None
    own_up, own_down = (factor.detach().float().cpu() for factor in pair)
    if (len(up), down.shape[1:]) != (len(own_up), own_down.shape[1:]) or len(down) != up.shape[1]:
        return f"with the sizes {list(up.shape)} and {list(down.shape)}"
    probes = torch.randn(own_down.shape[1], PROBES, generator=torch.Generator().manual_seed(0))
    expected = own_up @ (own_down @ probes)
    inner = down.float() @ probes
    found = strength * (up.float() @ inner)
    # numbers as small as training starts with have few digits in fp16
    least = torch.finfo(up.dtype).smallest_normal * torch.finfo(up.dtype).eps
    return _compared(found, expected, strength * least * len(up) ** 0.5 * float(inner.norm() * len(inner) ** 0.5))


def _compared(found: Tensor, expected: Tensor, rounding: float = 0.0) -> str:
    """How ΔW·x differs from what is expected, in words; "" where only by rounding."""
    if float((found - expected).norm()) <= TOLERANCE * float(expected.norm()) + rounding:
        return ""
    ratio = float((found * expected).sum() / expected.square().sum().clamp(min=1e-30))
    if float((found - ratio * expected).norm()) > TOLERANCE * float(found.norm()):
        return "with other values"
    return f"at {ratio:.3g} of its strength" if abs(ratio) > 1e-3 else "as nothing"
