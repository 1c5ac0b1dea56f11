"""LoRAs on a base model while pictures are drawn: several at a time, of any program, each with its strengths."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from curate.adapters.base import Layer, NormLayer
from curate.adapters.file_hashes import hashes_of
from curate.adapters.layer_name import LayerName
from curate.adapters.lora_file import Layers, locate_lora, lora_files, read_known_layers
from curate.adapters.restore import Change, restore
from curate.adapters.strengths import parse_strengths
from curate.adapters.tensor_file import TensorFile
from curate.core.digests import FileDigests, file_digest
from curate.diffusion.base import Backbone
from curate.errors import InputError
from curate.sampling.parameters import LoraTag

REMEDY = "write FILE, FILE:0.8 or FILE:0.8:0.5"


@dataclass(frozen=True, slots=True)
class LoraStrength:
    """A LoRA file, and how strongly it changes the UNet and the text encoders: 1 as trained, 0 not at all."""

    path: Path
    strength: float = 1.0
    text_strength: float = 1.0

    @property
    def name(self) -> str:
        """What people call it: the file's name; of a file that PEFT or diffusers named, the folder's."""
        generic = self.path.stem in ("adapter_model", "pytorch_lora_weights")
        return self.path.parent.name if generic else self.path.stem


def lora_strength(text: str) -> LoraStrength:
    """Reads FILE[:STRENGTH[:TE_STRENGTH]]; without its own, the text encoders' strength is the UNet's.

    `FILE:0.8,te=0.5,unet=1` is read too. Raises InputError for another strength, and where there is no such file.
    """
    written = parse_strengths(text, REMEDY)
    if odd := [name for name in written.named if name not in ("te", "unet")]:
        raise InputError(
            f'{text}: "{odd[0]}" has no strength of its own while pictures are drawn',
            "set te and unet; `curate lora merge` also sets te1, te2 and blocks",
        )
    try:
        place = locate_lora(written.file)
    except InputError as error:
        said = "lora" if text in error.message else f"lora {text}"
        remedy = f"give a LoRA file, or a folder that PEFT or diffusers wrote; {REMEDY}"
        raise InputError(f"{said}: {error.message}", remedy) from error
    strengths = {name: written.named.get(name, written.strength) for name in ("unet", "te")}
    return LoraStrength(place, strengths["unet"], strengths["te"])


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA file as it was read for a base.

    layers   tensors by our key of the layer and by suffix
    unknown  keys of layers that the base does not have
    """

    path: Path
    layers: Layers
    unknown: Sequence[str] = ()


def read_lora(path: Path, backbone: Backbone) -> Lora:
    """Raises InputError for a file that cannot be read, or none of whose layers the base has."""
    layers, unknown = read_known_layers(path, backbone.layer_names())
    if not layers:
        raise InputError(
            f"{path} fits no layer of the base {backbone.name}{_trained_for(path)}",
            "draw with a base of the family that the LoRA was trained on",
        )
    return Lora(path, layers, unknown)


def digests_of(path: Path, digests: FileDigests | None) -> str:
    """Identifies a LoRA: its file, and PEFT's configuration beside it."""
    return "+".join(file_digest(file, digests) for file in lora_files(str(path)))


def tag(lora: LoraStrength, digests: FileDigests | None) -> LoraTag:
    """What the text of a picture says of a LoRA."""
    file = TensorFile.open(lora.path)
    content = file.metadata.get("sshs_model_hash") or hashes_of(file).content
    return LoraTag(lora.name, lora.strength, lora.text_strength, file_digest(lora.path, digests), content)


class ChangedLayer(nn.Module):
    """A layer and the changes that LoRAs make of it, in the layer's place.

    Each change counts with its strength, and is measured against the layer alone.
    """

    def __init__(self, layer: Layer | NormLayer, changes: Sequence[tuple[Change, float]]) -> None:
        super().__init__()
        self.layer = layer
        self.changes = nn.ModuleList(change for change, _ in changes)
        self.strengths = [strength for _, strength in changes]

    def forward(self, x: Tensor) -> Tensor:
        """The changed layer's output."""
        changes: list[Change] = list(self.changes)  # pyright: ignore[reportAssignmentType]
        if self.strengths == [1.0]:
            return changes[0].apply_to(self.layer, x)
        output = self.layer(x)
        added = [s * change.added(self.layer, x, output) for change, s in zip(changes, self.strengths, strict=True)]
        return torch.stack([output, *added]).sum(0) if len(added) > 1 else output + added[0]

    @property
    def weight(self) -> Tensor:
        """The layer's own weight: libraries look at its dtype."""
        return self.layer.weight


@contextlib.contextmanager
def applied(backbone: Backbone, loras: Sequence[tuple[Lora, LoraStrength]], device: torch.device) -> Generator[None]:
    """The base with LoRAs on it, their tensors on the device; afterwards it has its own layers back.

    Raises InputError for a LoRA whose tensors do not fit the base's layers.
    """
    changes: dict[LayerName, list[tuple[Change, float]]] = {}
    for layer_name in backbone.layer_names():
        for lora, use in loras:
            strength = use.strength if layer_name.part == "unet" else use.text_strength
            if strength and layer_name.key in lora.layers:
                change = _change(backbone, layer_name, lora).to(device)
                changes.setdefault(layer_name, []).append((change, strength))
    own = {layer_name: backbone.at(layer_name) for layer_name in changes}
    for layer_name, found in changes.items():
        backbone.place(layer_name, ChangedLayer(own[layer_name], found))  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        for layer_name, layer in own.items():
            assert layer is not None
            backbone.place(layer_name, layer)


def _change(backbone: Backbone, layer_name: LayerName, lora: Lora) -> Change:
    """Raises InputError that names the layer."""
    layer = backbone.at(layer_name)
    try:
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.LayerNorm | nn.GroupNorm):
            return restore(layer, lora.layers[layer_name.key])
        raise KeyError("the base has no such layer")
    except (ValueError, KeyError, IndexError) as error:
        raise InputError(
            f"{lora.path} does not fit the base {backbone.name}{_trained_for(lora.path)}: {layer_name.key}: {error}",
            "draw with a base of the family that the LoRA was trained on; `curate lora check` looks at the file",
        ) from error


def _trained_for(path: Path) -> str:
    """What the file's metadata say of its base, in words."""
    metadata: Mapping[str, str] = TensorFile.open(path).metadata
    family = metadata.get("ss_base_model_version") or metadata.get("modelspec.architecture", "")
    return f" (it was trained for {family})" if family else ""


def scaled(lora: LoraStrength, factor: float) -> LoraStrength:
    """The same file at a multiple of both strengths."""
    return replace(lora, strength=lora.strength * factor, text_strength=lora.text_strength * factor)
