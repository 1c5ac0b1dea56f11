"""A LoRA file, opened: its layers by our names, its family and its metadata; tensors are read layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from torch import Tensor

from curate.adapters.algorithm import algorithm_of
from curate.adapters.joint_layers import Source, sources
from curate.adapters.key_names import by_layer, split
from curate.adapters.lora_file import IN_FOLDERS, locate_lora
from curate.adapters.peft_config import HEADER, MODELS, Configurations, add_scales, configurations
from curate.adapters.tensor_file import Entry, TensorFile
from curate.diffusion.layer_names import LayerName
from curate.diffusion.lora_family import LayerTable, identify
from curate.errors import CurateError, InputError

SHAPELESS = ("alpha", "dora_scale", "on_input", "rescale", "reshape_weight")
"""Suffixes that say nothing of the algorithm."""


@dataclass(frozen=True)
class LoraFile:
    """What a file holds.

    files     one, or one for each model of a PEFT folder
    keys      where each key is: the file, and the tensor's name there
    table     layers of its family; None where that is not known or cannot be trained
    title     what people call the family
    layers    keys by layer and suffix, in the order of the table; our names where there is a table, else the file's
    unknown   keys of no layer
    joint     keys that stand for a tensor under another key, or for rows of it: where a file holds layers in one
    """

    path: Path
    files: tuple[TensorFile, ...]
    keys: Mapping[str, tuple[TensorFile, str]]
    metadata: Mapping[str, str]
    table: LayerTable | None
    title: str
    layers: Mapping[str, Mapping[str, str]]
    unknown: tuple[str, ...]
    configurations: Configurations = field(default_factory=dict[str, Mapping[str, object]])
    joint: Mapping[str, Source] = field(default_factory=dict[str, Source])

    def entry(self, key: str) -> Entry:
        """Type and shape of a tensor; its place in the file is that of all its rows."""
        source = self.joint.get(key, Source(key))
        file, name = self.keys[source.key]
        entry = file.entries[name]
        return replace(entry, shape=source.shape(entry.shape))

    def read(self, key: str) -> Tensor:
        """One tensor."""
        source = self.joint.get(key, Source(key))
        file, name = self.keys[source.key]
        return source.of(file.read(name))

    def may_be_for(self, family: str) -> bool:
        """Whether a family may be the file's, by name."""
        return self.table is not None and self.table.may_be(family)

    def layer_name(self, layer: str) -> LayerName | None:
        """What is known of a layer; None where the family is not known."""
        return self.table.layer_names.get(layer) if self.table else None

    def tensors(self, layer: str) -> dict[str, Tensor]:
        """A layer's tensors by suffix, with the strength that PEFT's configuration says."""
        found = {layer: {suffix: self.read(key) for suffix, key in self.layers[layer].items()}}
        if name := self.layer_name(layer):
            add_scales(found, self.configurations, [name])
        return found[layer]

    def algorithm(self, layer: str) -> str:
        """Name of a layer's algorithm; "" for one that curate does not know."""
        return layer_algorithm({suffix: self.entry(key).shape for suffix, key in self.layers[layer].items()})

    @property
    def name(self) -> str:
        """What the file is called without its ending; a folder's name where PEFT calls all files alike."""
        return self.path.stem if self.path.is_file() and self.path.name not in IN_FOLDERS else folder_name(self.path)

    @cached_property
    def dtypes(self) -> Counter[str]:
        """Types of the factors, by how many numbers have them."""
        counts: Counter[str] = Counter()
        for keys in self.layers.values():
            for suffix, key in keys.items():
                if suffix not in ("alpha", "on_input"):
                    entry = self.entry(key)
                    counts[entry.dtype] += max(1, entry.end - entry.start)
        return counts


def layer_algorithm(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The algorithm whose tensors these are, by suffix and shape; "" where none of ours has them."""

    class Shaped:
        def __init__(self, shape: tuple[int, ...]) -> None:
            self.shape = shape

        def dim(self) -> int:
            return len(self.shape)

    shaped = {suffix: Shaped(shape) for suffix, shape in shapes.items()}
    return algorithm_of(shaped) or ""  # pyright: ignore[reportArgumentType]


def folder_name(path: Path) -> str:
    """Name of the folder that a file of PEFT or diffusers is in."""
    folder = path if path.is_dir() else path.parent
    return folder.resolve().name


def open_lora(path: str) -> LoraFile:
    """Opens a file, or the folder in which PEFT or diffusers keeps one. Raises InputError that says what is wrong."""
    place = Path(path).expanduser()
    parts = _peft_parts(place)
    if parts:
        return _assembled(place, parts)
    file = TensorFile.open(locate(place))
    keys = {key: (file, key) for key in file.entries}
    return _opened(file.path, (file,), keys, dict(file.metadata), configurations(file.path, file.metadata))


def is_lora(path: str) -> bool:
    """Whether a name is that of a LoRA file or folder that can be read."""
    try:
        open_lora(path)
    except CurateError:
        return False
    return True


def locate(place: Path) -> Path:
    """The LoRA file of a name. Raises InputError; of a pickle it says that it is one."""
    if place.is_file() and place.suffix != ".safetensors":
        TensorFile.open(place)  # says what it is
    return locate_lora(str(place))


def _peft_parts(place: Path) -> dict[str, Path]:
    """The files of a folder in which PEFT keeps an adapter for each model, by part."""
    found = {part: place / folder / IN_FOLDERS[0] for part, folder in MODELS.items()}
    return {part: file for part, file in found.items() if file.is_file()}


def _assembled(place: Path, parts: Mapping[str, Path]) -> LoraFile:
    files = {part: TensorFile.open(path) for part, path in parts.items()}
    keys: dict[str, tuple[TensorFile, str]] = {}
    configs: dict[str, Mapping[str, object]] = {}
    for part, file in files.items():
        prefix = f"base_model.model.{MODELS[part]}."
        keys |= {prefix + key.removeprefix("base_model.model."): (file, key) for key in file.entries}
        configs |= {p: c for p, c in configurations(file.path, {}).items() if p == part}
    metadata = {key: value for file in files.values() for key, value in file.metadata.items()}
    return _opened(place, tuple(files.values()), keys, metadata, configs)


def _opened(
    path: Path,
    files: tuple[TensorFile, ...],
    keys: Mapping[str, tuple[TensorFile, str]],
    metadata: dict[str, str],
    configs: Configurations,
) -> LoraFile:
    shapes = {key: file.entries[name].shape for key, (file, name) in keys.items()}
    if not shapes:
        raise InputError(f"{path} holds no tensors", "save it again")
    if not any(layer_algorithm(held) for held in _grouped(shapes).values()):
        raise InputError(f"{path} holds no layers of a LoRA", _other(shapes))
    table, title = identify(shapes, metadata)
    unknown: list[str] = []
    joint: dict[str, Source] = {}
    if table is None:
        layers: dict[str, dict[str, str]] = {}
        for key in keys:
            layer, suffix = split(key)
            layers.setdefault(layer, {})[suffix] = key
    else:
        parts = sources(shapes, table.names)
        found, unknown = by_layer(parts, table.names)
        joint = {key: source for key, source in parts.items() if key != source.key}
        layers = {name: found[name] for name in table.layer_names if name in found}
    return LoraFile(path, files, keys, metadata, table, title, layers, tuple(unknown), configs, joint)


def _grouped(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, dict[str, tuple[int, ...]]]:
    grouped: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, shape in shapes.items():
        layer, suffix = split(key)
        grouped.setdefault(layer, {})[suffix] = shape
    return grouped


def _other(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What a file without a LoRA may be."""
    from curate.diffusion import foreign
    from curate.diffusion.detect import fits_whole
    from curate.diffusion.family import families

    known = families().values()
    if any(key in shapes for family in known for key in family.keys) or any(fits_whole(f, shapes) for f in known):
        return "it is a checkpoint: give a LoRA file"
    if what := foreign.of_keys(list(shapes)):
        return f"it is {what}: give a LoRA file"
    return "give a LoRA file"


def lora_paths(given: list[Path]) -> Iterator[Path]:
    """The LoRA files that files and folders name: of a folder, its .safetensors files by name.

    Raises InputError for a name of nothing, and for a folder without one.
    """
    for place in given:
        if not place.expanduser().exists():
            raise InputError(f"{place} does not exist", "check the name")
        if not place.is_dir() or _peft_parts(place) or any((place / name).is_file() for name in IN_FOLDERS):
            yield place
            continue
        inside = sorted(place.glob("*.safetensors"))
        if not inside:
            raise InputError(f"the folder {place} holds no .safetensors file", "name another folder or a file")
        yield from inside


def has_header_configuration(metadata: Mapping[str, str]) -> bool:
    """Whether diffusers keeps alphas in this header."""
    return HEADER in metadata
