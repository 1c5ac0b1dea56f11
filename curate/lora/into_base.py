"""Merges LoRAs into a base model, tensor by tensor: the memory needed is that of a few of the largest tensors."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from curate.adapters import tensor_file
from curate.adapters.tensor_file import TensorFile
from curate.core.files import copy_file
from curate.core.findings import raise_together
from curate.diffusion.base_weights import BaseWeights, Tensors, part_of
from curate.diffusion.family import is_model
from curate.errors import InputError
from curate.lora import output
from curate.lora.changes import layer_adapter, weight_change
from curate.lora.weights import Weighted, strength_of

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class MergedBase:
    """A written base model: how many layers were changed, and its bytes."""

    path: Path
    layers: int
    size: int


def merge_into_base(
    files: Sequence[Weighted], base: BaseWeights, target: Path, precision: str | None = None, overwrite: bool = False
) -> MergedBase:
    """Writes the base with the LoRAs added; a checkpoint stays a checkpoint, and a folder a folder.

    Raises InputError for layers that the base lacks, another family, and a target that is there.
    """
    checks: list[Callable[[], object]] = [lambda one=one: _check_fits(one, base) for one in files]
    checks.append(lambda: _check_place(base, target, overwrite))
    raise_together(checks)
    patch = _Patch(files, base)
    dtype = output.PRECISIONS[precision] if precision else None
    if base.root.is_file():
        _write(base, "", target, patch, dtype, [one.text for one in files])
    else:
        _write_folder(base, target, patch, dtype, [one.text for one in files])
    return MergedBase(target, len(patch.layers), output.size_on_disk(target))


def _check_place(base: BaseWeights, target: Path, overwrite: bool) -> None:
    output.check_target(target, overwrite, folder_for="diffusers" if base.root.is_dir() else "")
    if target.is_dir() and not is_model(target):
        raise InputError(f"{target} is a folder that holds no diffusers model", "choose another name")
    if target.resolve() == base.root.resolve():
        raise InputError(f"{target} is the base itself", "choose another name")


def _check_fits(one: Weighted, base: BaseWeights) -> None:
    if not one.file.may_be_for(base.family.name):
        raise InputError(
            f"{one.file.path.name} is for {one.file.title or 'an unknown family'}, and {base.name} is "
            f"{base.family.title}",
            "give a base of the LoRA's family",
        )
    if one.file.unknown:
        raise InputError(
            f"{one.file.path.name} contains {one.file.unknown[0]}, which belongs to no layer",
            "`curate lora check` says more",
        )
    if missing := [layer for layer in one.file.layers if layer not in base]:
        raise InputError(
            f"{base.name} has no layer {missing[0]}, which {one.file.path.name} changes",
            "give the base that the LoRA is for",
        )


class _Patch:
    """What is added to the tensors of a base."""

    def __init__(self, files: Sequence[Weighted], base: BaseWeights) -> None:
        self.files, self.base = files, base
        self.by_tensor = base.by_tensor()
        self.layers = {layer for one in files for layer in one.file.layers if strength_of(one, layer)}

    def touches(self, file: str, tensor: str) -> bool:
        """Whether a tensor may change."""
        return any(layer in self.layers for layer, _ in self.by_tensor.get((file, tensor), ()))

    @torch.no_grad()
    def apply(self, file: str, tensor: str, value: Tensor) -> Tensor:
        """A tensor of the base with everything added, in float32."""
        whole = value.float()
        for layer, own in self.by_tensor[file, tensor]:
            rows = part_of(whole, own)
            is_bias = tensor == self.base.places[layer][1].bias
            for one in self.files:
                if layer in one.file.layers and (strength := strength_of(one, layer)):
                    if is_bias or one.file.algorithm(layer) == "norm":
                        _add_vector(rows, one, layer, ("diff_b", "b_norm") if is_bias else ("w_norm",), strength)
                    else:
                        self._add_change(rows, one, layer, strength)
        return whole

    def _add_change(self, rows: Tensor, one: Weighted, layer: str, strength: float) -> None:
        tensors = one.file.tensors(layer)
        adapter = layer_adapter(one.file, layer, self.base, tensors)
        dora_scale, pair = tensors.get("dora_scale"), adapter.factors()
        if dora_scale is None and pair is not None:
            # without a ΔW beside the weight: on the largest layers that is a hundred megabytes
            rows.view(rows.shape[0], -1).addmm_(*pair, alpha=strength)
        else:
            original = None if dora_scale is None else self.base.weight(layer)
            rows.add_(weight_change(adapter, dora_scale, original).reshape(rows.shape), alpha=strength)


def _add_vector(rows: Tensor, one: Weighted, layer: str, suffixes: tuple[str, ...], strength: float) -> None:
    """Adds the change of a bias or a norm where the file has one."""
    for suffix in suffixes:
        if key := one.file.layers[layer].get(suffix):
            rows.add_(one.file.read(key).float().reshape(rows.shape), alpha=strength)


def _write(
    base: BaseWeights, file: str, target: Path, patch: _Patch, dtype: torch.dtype | None, merged: Sequence[str]
) -> None:
    held: Tensors = base.files[file]
    sizes = {name: (_dtype(entry.torch_dtype, dtype), entry.shape) for name, entry in held.entries.items()}

    def tensor(name: str) -> Tensor | Iterator[bytes]:
        if not patch.touches(file, name):
            same = held.entries[name].torch_dtype == sizes[name][0]
            return held.raw(name) if same and isinstance(held, TensorFile) else held.read(name).to(sizes[name][0])
        changed = patch.apply(file, name, held.read(name)).to(sizes[name][0])
        low, high = (float(end) for end in changed.aminmax())
        if not (isfinite(low) and isfinite(high)):
            raise InputError(f"{name} would hold values that are not finite", "check the LoRA with `curate lora check`")
        return changed

    metadata = {**held.metadata, "modelspec.merged_from": ", ".join([base.root.name, *merged])}
    if "modelspec.title" in metadata:
        metadata["modelspec.title"] = target.stem
    if any(key.startswith("modelspec.") for key in held.metadata):
        metadata["modelspec.hash_sha256"] = ""
    tensor_file.write(target, sizes, tensor, metadata)


def _dtype(own: torch.dtype, wanted: torch.dtype | None) -> torch.dtype:
    return wanted if wanted is not None and own in FLOATS else own


def _write_folder(
    base: BaseWeights, target: Path, patch: _Patch, dtype: torch.dtype | None, merged: Sequence[str]
) -> None:
    """Everything but the changed models is copied; the folder appears under its name when it is whole."""
    work = target.with_name(f".curate-{target.name}")
    shutil.rmtree(work, ignore_errors=True)
    try:
        for path in sorted(base.root.rglob("*")):
            name = path.relative_to(base.root).as_posix()
            if path.is_dir() or _another_precision(name, base):
                continue
            if name in base.files:
                _write(base, name, work / name, patch, dtype, merged)
            else:
                copy_file(path, work / name)
        if target.exists():
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        work.replace(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _another_precision(name: str, base: BaseWeights) -> bool:
    """Weights of an adaptable model in other forms: they would hold the base without the LoRA."""
    folder, _, file = name.partition("/")
    adaptable = {held.partition("/")[0] for held in base.files}
    ending = file.rpartition(".")[2]
    return folder in adaptable and name not in base.files and ending in ("safetensors", "bin", "msgpack", "onnx", "pb")
