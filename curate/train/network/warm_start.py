"""Reads a LoRA file to go on from: ours, kohya's, LyCORIS', diffusers-named or PEFT's."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from curate.adapters.algorithm import algorithm_of
from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.layer_name import LayerName
from curate.adapters.lora_file import Layers, locate_lora, lora_files, read_layers
from curate.adapters.make import adapter_class, make
from curate.adapters.tensor_file import TensorFile
from curate.diffusion.family import Family
from curate.diffusion.lora_family import another_family
from curate.errors import InputError
from curate.train.options import TrainOptions
from curate.train.options.algorithms import algorithms_of


def read(path: str, layer_names: Iterable[LayerName]) -> Layers:
    """A file's tensors by our name of the layer and by suffix.

    Raises InputError naming the first key that is of no layer of this base.
    """
    with _named():
        return read_layers(path, layer_names)


@contextlib.contextmanager
def of_family(path: str, family: Family) -> Generator[None]:
    """Where the file does not fit the base, says which other family it is of, if it is. Raises InputError."""
    try:
        yield
    except InputError:
        file = TensorFile.open(start_file(path))
        shapes = {key: entry.shape for key, entry in file.entries.items()}
        if other := another_family(shapes, file.metadata, family):
            raise InputError(
                f"start_from: {path} is a LoRA of {other}, and the base is {family.title}",
                f"train on a base of its family, or start from a LoRA of {family.title}",
            ) from None
        raise


@contextlib.contextmanager
def _named() -> Generator[None]:
    """Says in errors which option they are about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"start_from: {error.message}", error.remedy) from error


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
    with _named():
        return locate_lora(path)


def start_files(path: str) -> list[Path]:
    """Every file that says what is gone on from: the LoRA, and PEFT's configuration beside it."""
    with _named():
        return lora_files(path)
