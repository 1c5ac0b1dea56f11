"""Finds and reads LoRA files of any program: ours, kohya's, LyCORIS', diffusers', PEFT's, ComfyUI's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from curate.adapters import key_names
from curate.adapters.joint_layers import sources
from curate.adapters.layer_name import LayerName
from curate.adapters.peft_config import add_scales, configuration_file, configurations
from curate.adapters.tensor_file import TensorFile
from curate.core.counting import counted
from curate.errors import InputError

IN_FOLDERS = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors")
"""What PEFT and diffusers call the file in a folder."""

Layers = dict[str, dict[str, Tensor]]
"""Tensors by our name of the layer and by suffix."""


def locate_lora(path: str) -> Path:
    """A LoRA file; in a folder, the one of PEFT or diffusers. Raises InputError without one."""
    place = Path(path).expanduser()
    if place.is_dir():
        inside = [place / name for name in IN_FOLDERS if (place / name).is_file()]
        if len(inside) != 1:
            wanted = " or ".join(IN_FOLDERS)
            raise InputError(
                f"the folder {place} holds {counted(len(inside), 'file')} called {wanted}", "name the file"
            )
        return inside[0]
    if not place.is_file() or place.suffix != ".safetensors":
        raise InputError(
            f"{place} does not exist, or is not a .safetensors file", "give a LoRA file that ends with .safetensors"
        )
    return place


def lora_files(path: str) -> list[Path]:
    """Every file that a LoRA consists of: its tensors, and PEFT's configuration beside them."""
    place = locate_lora(path)
    beside = configuration_file(place)
    return [place] if beside is None else [place, beside]


def read_layers(path: str, layer_names: Iterable[LayerName]) -> Layers:
    """A file's tensors, with the alpha that PEFT's configuration says.

    Raises InputError for a file that cannot be read, or that contains a key of no layer of `layer_names`.
    """
    place = locate_lora(path)
    layers, unknown = read_known_layers(place, layer_names)
    if unknown:
        raise InputError(f"{place.name} contains {unknown[0]}, which belongs to no layer of the base model")
    if not layers:
        raise InputError(f"{place.name} holds no layer")
    return layers


def read_known_layers(place: Path, layer_names: Iterable[LayerName]) -> tuple[Layers, list[str]]:
    """The tensors of a file's layers that `layer_names` names, with PEFT's alpha, and the keys of others.

    Raises InputError for a file that cannot be read.
    """
    layer_names = list(layer_names)
    file = TensorFile.open(place)
    names = key_names.aliases(layer_names)
    found = sources({key: entry.shape for key, entry in file.entries.items()}, names)
    keys, unknown = key_names.by_layer(found, names)
    layers = {
        name: {suffix: found[key].of(file.read(found[key].key)) for suffix, key in held.items()}
        for name, held in keys.items()
    }
    add_scales(layers, configurations(place, file.metadata), layer_names)
    return layers, unknown
