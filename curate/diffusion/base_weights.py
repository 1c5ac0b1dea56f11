"""The weights of a base model on disk, layer by layer: nothing of it is loaded but what is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from curate.adapters.layer_name import LayerName, Rows
from curate.adapters.safetensors_file import DTYPES
from curate.adapters.tensor_file import Entry, TensorFile
from curate.diffusion.checkpoint_file import read
from curate.diffusion.checkpoint_names import Place, place_in_checkpoint, place_in_part
from curate.diffusion.detect import Traits, family_of_folder, family_of_keys, traits_of_family
from curate.diffusion.family import Family
from curate.diffusion.frame import frame
from curate.diffusion.locate import locate_base
from curate.errors import InputError

FOLDERS = {"te1": "text_encoder", "te2": "text_encoder_2", "unet": "unet"}
"""Where a diffusers folder keeps the adaptable models."""


class Tensors(Protocol):
    """Tensors of one file by name."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Types and shapes."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """The header's words."""
        ...

    def read(self, name: str) -> Tensor:
        """One tensor."""
        ...


class PickledTensors:
    """The tensors of a .ckpt, all of them in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata: Mapping[str, str] = {}
        self._held = {key: tensor for key, tensor in read(path).items() if tensor.dtype in DTYPES}
        self.entries = {key: Entry(DTYPES[t.dtype], tuple(t.shape), 0, t.nbytes) for key, t in self._held.items()}

    def read(self, name: str) -> Tensor:
        """One tensor."""
        return self._held[name].clone()


@dataclass(frozen=True, slots=True)
class BaseWeights:
    """A base model's files, and where in them each layer is.

    root   the checkpoint, or the diffusers folder
    files  by where they are, seen from the folder; "" for a checkpoint
    """

    name: str
    root: Path
    family: Family
    layer_names: Mapping[str, LayerName]
    files: Mapping[str, Tensors]
    places: Mapping[str, tuple[str, Place]]

    @classmethod
    def open(cls, base: str, offline: bool) -> BaseWeights:
        """Raises InputError for what is no base model, and MissingError for what is not on this machine."""
        root = locate_base(base, offline)
        return _of_folder(root, base) if root.is_dir() else _of_file(root, base)

    def __contains__(self, key: str) -> bool:
        return key in self.places

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a layer's weight."""
        file, place = self.places[key]
        count, *rest = self.files[file].entries[place.weight].shape
        if place.rows is not None:
            first, end, of = place.rows
            count = count * (end - first) // of
        return (count, *rest)

    def weight(self, key: str) -> Tensor:
        """A layer's weight, in the precision of the file."""
        file, place = self.places[key]
        return part_of(self.files[file].read(place.weight), place.rows)

    def has_bias(self, key: str) -> bool:
        """Whether a layer has a bias."""
        file, place = self.places[key]
        return place.bias in self.files[file].entries

    def bias(self, key: str) -> Tensor:
        """A layer's bias."""
        file, place = self.places[key]
        return part_of(self.files[file].read(place.bias), place.rows)

    def by_tensor(self) -> dict[tuple[str, str], list[tuple[str, Rows | None]]]:
        """Layers by file and tensor, weights and biases, with the rows that are theirs."""
        found: dict[tuple[str, str], list[tuple[str, Rows | None]]] = {}
        for key, (file, place) in self.places.items():
            for tensor in (place.weight, place.bias):
                if tensor in self.files[file].entries:
                    found.setdefault((file, tensor), []).append((key, place.rows))
        return found


def part_of(tensor: Tensor, rows: Rows | None) -> Tensor:
    """A view of these parts of a tensor's rows; all of them without any."""
    if rows is None:
        return tensor
    first, end, of = rows
    each = len(tensor) // of
    return tensor[first * each : end * each]


def _of_file(root: Path, base: str) -> BaseWeights:
    file: Tensors = TensorFile.open(root) if root.suffix == ".safetensors" else PickledTensors(root)
    family = family_of_keys(file.entries, root.name)
    layer_names = _layer_names(traits_of_family(family.name), base, None)
    places: dict[str, tuple[str, Place]] = {}
    for layer in layer_names.values():
        if place := place_in_checkpoint(layer, family.checkpoint_texts, file.entries):
            places[layer.key] = "", place
    return BaseWeights(base, root, family, layer_names, {"": file}, places)


def _of_folder(root: Path, base: str) -> BaseWeights:
    family = family_of_folder(root, base)
    layer_names = _layer_names(traits_of_family(family.name), base, root)
    folders = {layer.model or FOLDERS[layer.part] for layer in layer_names.values()}
    files = dict(_weights(root, sorted(folders)))
    places: dict[str, tuple[str, Place]] = {}
    for layer in layer_names.values():
        inside = [name for name in files if name.startswith(f"{layer.model or FOLDERS[layer.part]}/")]
        for name in inside:
            if place := place_in_part(layer, files[name].entries):
                places.setdefault(layer.key, (name, place))
    return BaseWeights(base, root, family, layer_names, files, places)


def _weights(root: Path, folders: Iterable[str]) -> Iterator[tuple[str, Tensors]]:
    """The safetensors files of the adaptable models; of several precisions the plain one."""
    for folder in folders:
        inside = sorted((root / folder).glob("*.safetensors"))
        plain = [path for path in inside if ".fp16" not in path.name] or inside
        if not plain and (root / folder / "config.json").is_file():
            raise InputError(f"{root / folder} holds no .safetensors file", "fetch the model as safetensors")
        for path in plain:
            yield f"{folder}/{path.name}", TensorFile.open(path)


def _layer_names(traits: Traits, base: str, root: Path | None) -> dict[str, LayerName]:
    return {layer.key: layer for layer in frame(traits, base, root).layer_names()}
