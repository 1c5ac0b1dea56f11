"""Gives a LoRA the names of another program; the numbers stay as they are, bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from curate.adapters.key_names import DOWN, WRITTEN
from curate.core.registry import nearest
from curate.errors import InputError
from curate.lora import output
from curate.lora.file import LoraFile
from curate.lora.joint import joined
from curate.lora.output import ALPHA_TYPE, DTYPE_OF, Names
from curate.lora.words import GONE

FUSED = ("comfyui", "kohya")
"""Whose names can mean layers of the original network."""


@dataclass(frozen=True)
class Converted:
    """A written file: the names it had and has, its layers, the keys that are of no layer, and ranks that changed."""

    path: Path
    before: str
    after: str
    layers: int
    left_out: tuple[str, ...]
    ranks: tuple[str, ...] = ()


def check_fused(to: str, fused: bool) -> None:
    """Raises InputError for fused layers that a program has no names for."""
    if fused and to not in FUSED:
        raise InputError(f"{to} has no names for fused layers", f"choose {' or '.join(FUSED)}")


def convert(file: LoraFile, to: str, target: Path, overwrite: bool = False, fused: bool = False) -> Converted:
    """Writes a file under the names of kohya, diffusers, PEFT or ComfyUI.

    `fused`: with the layers of the original network, q, k and v as one where it has one matrix for them.

    Raises InputError for a family whose layers are not known, and for tensors that the program cannot read.
    """
    if to not in WRITTEN:
        raise InputError(f'"{to}" is no program', nearest(to, list(WRITTEN)))
    if file.table is None:
        raise InputError(
            f"{file.path.name} is for {file.title or 'an unknown family'}, whose layers curate does not know",
            "use the tools of the program that trained it",
        )
    if to == "peft" and file.table.family.objective == "flow":
        raise InputError(f"PEFT's names are not known for {file.table.family.title}", "choose diffusers or comfyui")
    check_fused(to, fused)
    output.check_target(target, overwrite, Names(to, file.table).folder_for)
    layers = {layer: canonical(file, layer) for layer in file.layers}
    table, ranks = file.table, list[str]()
    if fused:
        layers, table, ranks = joined(layers, table)
    names = Names(to, table)
    metadata = {key: value for key, value in file.metadata.items() if key not in GONE and not key.startswith("sshs_")}
    output.save(target, layers, names, metadata, overwrite)
    return Converted(target, output.spelling_of(file), to, len(layers), file.unknown, tuple(ranks))


def canonical(file: LoraFile, layer: str) -> dict[str, torch.Tensor]:
    """A layer's tensors as kohya's files hold them; as they are where the family is not known."""
    tensors = file.tensors(layer)
    if DOWN not in tensors or file.table is None:
        return tensors
    if file.table.frame.stored_as_point(file.table.layer_names[layer]):
        point = (DOWN, "lora_up.weight")
        tensors = {s: t[:, :, None, None] if s in point and t.dim() == 2 else t for s, t in tensors.items()}
    if "alpha" not in file.layers[layer] and "alpha" in tensors:
        dtype = DTYPE_OF.get(file.metadata.get(ALPHA_TYPE, ""), tensors[DOWN].dtype)
        tensors["alpha"] = tensors["alpha"].to(dtype)
    if "alpha" not in tensors:
        tensors["alpha"] = torch.tensor(float(tensors[DOWN].shape[0]), dtype=tensors[DOWN].dtype)
    return tensors
