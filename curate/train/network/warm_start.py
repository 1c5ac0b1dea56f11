"""Reads a LoRA file to go on from: ours, kohya's, LyCORIS', diffusers-named or PEFT's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from curate.adapters import safetensors_file
from curate.adapters.algorithm import algorithm_of
from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.make import adapter_class, make
from curate.core.counting import counted
from curate.diffusion.layer_names import LayerName
from curate.errors import InputError
from curate.train.network.peft_scale import add_scales, configuration_file, configurations
from curate.train.options import TrainOptions
from curate.train.options.algorithms import algorithms_of

PARTS = {"unet": ("unet",), "te1": ("text_encoder", "te1"), "te2": ("text_encoder_2", "te2")}
PEFT = {"lora_A.weight": "lora_down.weight", "lora_B.weight": "lora_up.weight"}
"""What PEFT and diffusers call the factors."""

IN_FOLDERS = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors")
"""What PEFT and diffusers call the file in a folder."""

Layers = dict[str, dict[str, Tensor]]


def read(path: str, layer_names: Iterable[LayerName]) -> Layers:
    """A file's tensors by our name of the layer and by suffix.

    Raises InputError naming the first key that is of no layer of this base.
    """
    place = start_file(path)
    try:
        tensors, metadata = safetensors_file.read(place)
    except Exception as error:  # whatever the format's reader trips over
        raise InputError(
            f"start_from: {place} cannot be read: {error}", "it is damaged or incomplete: fetch or save it again"
        ) from error
    layer_names = list(layer_names)
    found = by_layer(tensors, layer_names)
    if isinstance(found, str):
        raise InputError(f"start_from: {place.name} contains {found}, which belongs to no layer of the base model")
    if not found:
        raise InputError(f"start_from: {place.name} holds no layer")
    add_scales(found, configurations(place, metadata), layer_names)
    return found


def by_layer(tensors: Mapping[str, Tensor], layer_names: Iterable[LayerName]) -> Layers | str:
    """Tensors by layer and suffix, whatever the file calls its layers; or the first key that fits no layer."""
    names = aliases(layer_names)
    layers: Layers = {}
    for key, tensor in tensors.items():
        name = suffix = ""
        at = key.find(".")
        while at > 0 and not name:
            name, suffix = names.get(key[:at], ""), key[at + 1 :]
            at = key.find(".", at + 1)
        if not name:
            return key
        layers.setdefault(name, {})[PEFT.get(suffix, suffix)] = tensor
    return layers


def aliases(layer_names: Iterable[LayerName]) -> dict[str, str]:
    """Everything a file may call a layer, to its name in ours."""
    layer_names = list(layer_names)
    names: dict[str, str] = {}
    encoders = {layer_name.part for layer_name in layer_names} - {"unet"}
    for layer_name in layer_names:
        key, part, path = layer_name.key, layer_name.part, layer_name.path
        # PEFT saves an adapter of one model without saying which it is
        if part == "unet" or encoders == {part}:
            names[f"base_model.model.{path}"] = key
        names[key] = names[key.replace("lora_", "lycoris_", 1)] = key
        # kohya writes SDXL's layers by their original names and reads diffusers' as well
        if part == "unet":
            names[f"lora_unet_{path.replace('.', '_')}"] = key
        for spelling in PARTS[part]:
            names[f"{spelling}.{path}"] = names[f"{spelling}.{path.removeprefix('text_model.')}"] = key
            names[f"base_model.model.{spelling}.{path}"] = key
    return names


def maker(layers: Layers, options: TrainOptions) -> Mapping[str, tuple[str, Plan]]:
    """Algorithm and plan of every layer of a file; what is no shape comes from the options.

    Raises InputError naming a layer of an algorithm that is not ours.
    """
    made: dict[str, tuple[str, Plan]] = {}
    for name, tensors in layers.items():
        algo = algorithm_of(tensors, algorithms_of(options))
        try:
            if algo is None:
                raise ValueError(f"{', '.join(sorted(tensors))} belongs to no algorithm that can be trained")
            plan = adapter_class(algo).plan_of(tensors)
        except (ValueError, KeyError, IndexError) as error:
            raise InputError(f"start_from: {name}: {error}") from error
        dropouts = {n: getattr(options, n) for n in ("scalar", "dropout", "rank_dropout", "module_dropout")}
        made[name] = algo, replace(plan, **dropouts)
    return made


def fill(name: str, adapter: Adapter, tensors: Mapping[str, Tensor], keep_scale: bool) -> None:
    """Puts a file's values in a layer's adapter; `keep_scale` keeps the adapter's scale at the same ΔW.

    Raises InputError that names the layer and what differs.
    """
    own, scale = adapter.algorithm, adapter.scale
    algo = algorithm_of(tensors, (own.name,))
    if "dora_scale" in tensors and tensors["dora_scale"].shape[0] != 1:
        raise InputError(
            f"start_from: {name}: its DoRA is along the output axis, and only that along the input axis is trained",
            "programs apply the other in different ways; merge the file into the base first",
        )
    try:
        if algo != own.stored:
            raise ValueError(f"the file holds {algo or ', '.join(sorted(tensors))}, and {own.name} is trained")
        if not all(bool(t.isfinite().all()) for t in tensors.values()):
            raise ValueError("the file holds values that are not finite")
        adapter.load(tensors)
    except ValueError as error:
        raise InputError(
            f"start_from: {name}: {error}", "rank_from_file takes algorithm and rank from the file"
        ) from error
    if keep_scale:
        adapter.rescale(scale)


def build(shape: Shape, content: tuple[str, Plan], name: str) -> Adapter:
    """An adapter as a file has it. Raises InputError where the layer's shape forbids it."""
    try:
        return make(content[0], shape, content[1])
    except ValueError as error:
        raise InputError(f"start_from: {name}: {error}") from error


def fits(trained: Iterable[str], layers: Layers) -> None:
    """Raises InputError unless the file holds exactly the trained layers."""
    mine = set(trained)
    remedy = "choose the layer_preset it was trained with, or rank_from_file"
    if left := sorted(layers.keys() - mine):
        raise InputError(
            f"start_from: {left[0]} and {len(left) - 1} more layers of the file would not be trained", remedy
        )
    if missing := sorted(mine - layers.keys()):
        raise InputError(
            f"start_from: the file lacks {missing[0]} and {len(missing) - 1} more layers that are trained", remedy
        )


def start_file(path: str) -> Path:
    """The LoRA file to go on from; in a folder, the one of PEFT or diffusers. Raises InputError without one."""
    place = Path(path).expanduser()
    if place.is_dir():
        inside = [place / name for name in IN_FOLDERS if (place / name).is_file()]
        if len(inside) != 1:
            wanted = " or ".join(IN_FOLDERS)
            raise InputError(
                f"start_from: the folder {place} holds {counted(len(inside), 'file')} called {wanted}", "name the file"
            )
        return inside[0]
    if not place.is_file() or place.suffix != ".safetensors":
        raise InputError(
            f"start_from: {place} does not exist, or is not a .safetensors file", "give the LoRA file to continue from"
        )
    return place


def start_files(path: str) -> list[Path]:
    """Every file that says what is gone on from: the LoRA, and PEFT's configuration beside it."""
    place = start_file(path)
    beside = configuration_file(place)
    return [place] if beside is None else [place, beside]
