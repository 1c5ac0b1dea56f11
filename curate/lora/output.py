"""Writes LoRA files: under every program's names, never over a file unless asked, with hashes and metadata that fit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from curate.adapters import file_names, peft_config, tensor_file
from curate.adapters.key_names import DOWN, UP, Spelling, spelled
from curate.adapters.lora_file import IN_FOLDERS
from curate.core.files import write_text
from curate.diffusion.layer_names import LayerName
from curate.diffusion.lora_family import LayerTable
from curate.errors import InputError
from curate.lora.file import LoraFile

Layers = dict[str, dict[str, Tensor]]
"""Tensors by layer and suffix, as kohya's files hold them."""
PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
WRITTEN_AS: dict[Spelling, str] = {
    "kohya": "kohya",
    "kohya-diffusers": "kohya",
    "lycoris": "kohya",
    "original": "kohya",
    "broken": "kohya",
    "diffusers": "diffusers",
    "diffusers-old": "diffusers",
    "peft": "peft",
    "comfyui": "comfyui",
    "native": "comfyui",
    "native-kohya": "kohya",
}
"""The spelling in which a file's result is written."""
TO_PEFT = {DOWN: "lora_A.weight", UP: "lora_B.weight"}
ALPHA_TYPE = "curate.alpha_dtype"
"""Metadata that keep the type of alpha, which PEFT's names have no tensor for."""
DTYPE_OF = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}


@dataclass(frozen=True)
class Names:
    """What a written file calls its layers.

    own   keys by layer and suffix of a file whose family is not known: they are kept
    """

    spelling: str
    table: LayerTable | None
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])

    @classmethod
    def of(cls, file: LoraFile) -> Names:
        """Those of a file."""
        return cls(spelling_of(file), file.table, {} if file.table else file.layers)

    def layer_name(self, layer: str) -> LayerName:
        """What is known of a layer."""
        assert self.table is not None
        return self.table.layer_names[layer]

    def key(self, layer: str, suffix: str) -> str:
        """A tensor's name in the file."""
        if self.table is None:
            held = self.own.get(layer, {})
            usual = TO_PEFT.get(suffix, suffix) if _peft_like(held) else suffix
            return held.get(suffix, f"{layer}.{usual}")
        stem = spelled(self.layer_name(layer), self.spelling, self.table.family.comfyui_texts)
        return f"{stem}.{TO_PEFT[suffix] if self.in_configuration else suffix}"

    @property
    def folder_for(self) -> str:
        """The program that reads a folder with a file for each model; "" where a result is one file."""
        return "PEFT" if self.table is not None and self.spelling == "peft" else ""

    @property
    def in_configuration(self) -> bool:
        """Whether alphas stand in a configuration instead of in tensors."""
        return self.table is not None and self.spelling in ("diffusers", "peft")


def _peft_like(held: Mapping[str, str]) -> bool:
    return held.get(DOWN, "").endswith("lora_A.weight")


def spelling_of(file: LoraFile) -> str:
    """The spelling that most of a file's layers have, of those that are written."""
    if file.table is None:
        return "own"
    counts: Counter[str] = Counter()
    for keys in file.layers.values():
        counts.update(WRITTEN_AS[spelling] for spelling in key_spellings(file, keys))
    return counts.most_common(1)[0][0]


def key_spellings(file: LoraFile, keys: Mapping[str, str]) -> set[Spelling]:
    """Who calls a layer so, by its keys in a file."""
    from curate.adapters.key_names import split

    assert file.table is not None
    return {file.table.names[split(key)[0]].spelling for key in keys.values()}


def _dtype(layers: Layers) -> torch.dtype:
    """The type of a LoRA's numbers."""
    return next(tensor.dtype for held in layers.values() for suffix, tensor in held.items() if suffix != "alpha")


def check_target(path: Path, overwrite: bool, folder_for: str = "") -> None:
    """Raises InputError for a name that programs do not read, and for a file that is there and may not be replaced.

    `folder_for` names the program that reads a folder instead of a file.
    """
    if folder_for and path.suffix == ".safetensors":
        raise InputError(f"{path}: {folder_for} reads a folder", "name a folder: -o FOLDER")
    if not folder_for and path.suffix != ".safetensors":
        raise InputError(f"{path}: the file must end with .safetensors", f"-o {path}.safetensors")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already", "choose another name, or --force to replace it")


def precision(file: LoraFile, wanted: str | None) -> torch.dtype:
    """The type in which factors are written: as asked for, else that of most of the file's numbers."""
    if wanted:
        return PRECISIONS[wanted]
    return DTYPE_OF.get(file.dtypes.most_common(1)[0][0], torch.float32)


def cast(layers: Layers, dtype: torch.dtype) -> Layers:
    """Every number in one type."""
    return {
        layer: {suffix: t.to(dtype) if t.is_floating_point() else t for suffix, t in held.items()}
        for layer, held in layers.items()
    }


def save(path: Path, layers: Layers, names: Names, metadata: Mapping[str, str], overwrite: bool = False) -> None:
    """Writes a LoRA: a file, or for PEFT's names a folder with one folder for each model.

    Raises InputError for what a spelling cannot hold, values that are not finite, and a target that is there.
    """
    check_target(path, overwrite, names.folder_for)
    _check_values(layers)
    if names.folder_for:
        _save_peft(path, layers, names, metadata)
        return
    meant = dict(metadata)
    tensors: dict[str, Tensor] = {}
    if names.table is not None and names.table.family.objective == "flow":
        texts = names.table.family.comfyui_texts
        tensors = file_names.named(layers, names.table.layer_names, names.spelling, texts)
        dtype = _dtype(layers)
        _write(path, {key: t if key.endswith(".alpha") else t.to(dtype) for key, t in tensors.items()}, meant)
        return
    if names.in_configuration:
        configs, meant = _configured(layers, names, meant)
        meant[peft_config.HEADER] = peft_config.header(configs)
        meant["format"] = "pt"
    for layer, held in layers.items():
        for suffix, tensor in held.items():
            if not (names.in_configuration and suffix == "alpha"):
                tensors[names.key(layer, suffix)] = _held(tensor, layer, suffix, names)
    _write(path, tensors, meant)


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    meant = {**metadata, "sshs_model_hash": "", "sshs_legacy_hash": ""}
    if any(key.startswith("modelspec.") for key in metadata):
        meant["modelspec.hash_sha256"] = ""
    sizes = {key: (tensor.dtype, tuple(tensor.shape)) for key, tensor in tensors.items()}
    tensor_file.write(path, sizes, lambda key: tensors[key], meant)


def _check_values(layers: Layers) -> None:
    for layer, held in layers.items():
        for suffix, tensor in held.items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise InputError(
                    f"{layer}: {suffix} would hold values that are not finite",
                    "write it with --precision fp32, and check the input with `curate lora check`",
                )


def _configured(
    layers: Layers, names: Names, metadata: dict[str, str]
) -> tuple[peft_config.Configurations, dict[str, str]]:
    """PEFT's configuration of each model, and the metadata with the type of the alphas where it is another."""
    parts: dict[str, dict[LayerName, tuple[int, float]]] = {}
    for layer, held in layers.items():
        if odd := sorted(held.keys() - {DOWN, UP, "alpha"}):
            raise InputError(
                f"{layer} holds {odd[0]}, which {names.spelling} does not read",
                "make it a plain LoRA first: `curate lora resize`",
            )
        rank = held[DOWN].shape[0]
        name = names.layer_name(layer)
        parts.setdefault(name.part, {})[name] = rank, float(held["alpha"]) if "alpha" in held else float(rank)
        if "alpha" in held and held["alpha"].dtype != held[DOWN].dtype:
            metadata[ALPHA_TYPE] = tensor_file.DTYPES[held["alpha"].dtype]
    return {part: peft_config.describe(found) for part, found in parts.items()}, metadata


def _held(tensor: Tensor, layer: str, suffix: str, names: Names) -> Tensor:
    """A tensor as a spelling has it: kohya's 1×1 convolutions of SD 2.x are linear layers elsewhere."""
    if not names.in_configuration or names.table is None or tensor.dim() != 4:
        return tensor
    return tensor.flatten(1) if names.table.frame.stored_as_point(names.layer_name(layer)) else tensor


def _save_peft(path: Path, layers: Layers, names: Names, metadata: Mapping[str, str]) -> None:
    configs, meant = _configured(layers, names, dict(metadata))
    for part, config in configs.items():
        folder = path / peft_config.MODELS[part]
        tensors = {
            names.key(layer, suffix): _held(tensor, layer, suffix, names)
            for layer, held in layers.items()
            if names.layer_name(layer).part == part
            for suffix, tensor in held.items()
            if suffix != "alpha"
        }
        _write(folder / IN_FOLDERS[0], tensors, {**meant, "format": "pt"})
        write_text(folder / "adapter_config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")


def size_on_disk(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
