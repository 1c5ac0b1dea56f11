"""What diffusers' own loader makes of a written LoRA file, compared with the adapters that it was written from.

The base is not needed for it: the loader gives the factors of each layer under its model's names, and PEFT, which
diffusers hands them to, multiplies them at strength 1 or at the one that the file's header says.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from curate.adapters.base import Adapter
from curate.adapters.key_names import PEFT, WRITTEN, models_of
from curate.adapters.layer_name import LayerName
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
    adapters = network.adapters.values()
    plain = all(adapter.algorithm.stored == "lora" and not adapter.decomposed for adapter in adapters)
    return plain and names in network.backbone.family.readers.get("diffusers", ())


def check(path: Path, network: Network, names: str) -> None:
    """Raises CurateError that names a layer which diffusers loads as nothing, or at another strength.

    Of families, names and algorithms that it does not read nothing is claimed, and their files are not looked at.
    """
    if not is_read(network, names):
        return
    family = network.backbone.family
    others = [name for name in family.readers["diffusers"] if name in WRITTEN and name != names]
    try:
        odd = _odd(network, *_read(path, family))
    except Exception as error:  # a converter may stumble over anything, and so would every reader of the file
        odd = [f"{type(error).__name__}: {error}"]
    if odd:
        more = f", and {len(odd) - 1} more" if odd[1:] else ""
        convert = f"curate lora convert {shlex.quote(str(path))} --to {next(iter(others), 'kohya')} -o NEW.safetensors"
        raise CurateError(
            f"diffusers {version('diffusers')} does not load {path} as it was trained: {odd[0]}{more}",
            f"the file is kept, and other programs may read it; for diffusers try other names: `{convert}`",
        )


def _read(path: Path, family: Family) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """The tensors under the names of diffusers' models, and what the header says of their strength."""
    import diffusers

    loader: Any = getattr(diffusers, family.pipelines[0])
    given = {"weight_name": path.name, "local_files_only": True, "use_safetensors": True}
    with quiet():
        tensors, header = loader.lora_state_dict(str(path.parent), return_lora_metadata=True, **given)
    return tensors, header or {}


def _odd(network: Network, held: dict[str, Tensor], header: Mapping[str, Any]) -> list[str]:
    """What is not as it was trained, in words; layers first, then keys of no layer."""
    odd: list[str] = []
    for key, adapter in network.adapters.items():
        layer = network.layer_names[key]
        stem = f"{models_of(layer)[0]}.{layer.path}"
        down, up = (held.pop(f"{stem}.{ending}", None) for ending in PEFT)
        if down is None or up is None:
            odd.append(f"the layer {stem} loads as nothing")
        elif what := _difference(adapter, down, up, _strength(header, layer, len(down))):
            odd.append(f"the layer {stem} loads {what}")
    return odd + [f"{key} belongs to no layer that was trained" for key in held]


def _strength(header: Mapping[str, Any], layer: LayerName, rank: int) -> float:
    """What PEFT multiplies a layer's factors with: 1 where the header says nothing."""
    model = f"{models_of(layer)[0]}."
    own = {key.removeprefix(model): value for key, value in header.items() if key.startswith(model)}
    return scale(own, layer.path, rank) if own else 1.0


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
    rounding = strength * least * len(up) ** 0.5 * float(inner.norm() * len(inner) ** 0.5)
    if float((found - expected).norm()) <= TOLERANCE * float(expected.norm()) + rounding:
        return ""
    ratio = float((found * expected).sum() / expected.square().sum().clamp(min=1e-30))
    if float((found - ratio * expected).norm()) > TOLERANCE * float(found.norm()):
        return "with other values"
    return f"at {ratio:.3g} of its strength" if abs(ratio) > 1e-3 else "as nothing"
