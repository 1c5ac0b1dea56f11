"""Writes the finished LoRA under a name of its own and checks that readers will take every key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from curate.adapters import file_names, key_names, safetensors_file
from curate.adapters.algorithm import algorithm
from curate.adapters.joint_layers import sources
from curate.core.files import write_bytes
from curate.errors import CurateError
from curate.train.data.dataset import Dataset
from curate.train.data.job import Job
from curate.train.network.network import Network, by_layer
from curate.train.options import TrainOptions, resolve
from curate.train.output import load_back, run_records
from curate.train.output.metadata import metadata
from curate.train.output.metadata_user import KEYS, has_words, words

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
COMMON = frozenset(("alpha", "dora_scale"))


def content(job: Job, network: Network, name: str, identity: str, step: int) -> bytes:
    """The file's bytes after so many steps."""
    dtype = DTYPES[job.options.save_precision]
    named = _named(network, resolve.file_names(job.options, job.backbone.family))
    tensors = {k: t.to(dtype) if t.is_floating_point() else t for k, t in named.items()}
    said = metadata(job, network, name, identity, step)
    return safetensors_file.serialize(tensors, {**said, **safetensors_file.hashes(tensors, said)})


def _named(network: Network, spelling: str) -> dict[str, Tensor]:
    """What the file holds, under a program's names; kohya's are the network's own."""
    tensors, backbone = network.tensors(), network.backbone
    if spelling == "kohya" and not _has_joint(network):
        return tensors
    layers = by_layer(tensors)
    for key, held in layers.items():
        if backbone.stored_as_point(network.layer_names[key]):
            layers[key] = {suffix: t.flatten(1) if t.dim() == 4 else t for suffix, t in held.items()}
    return file_names.named(layers, network.layer_names, spelling, backbone.family.comfyui_texts)


def check_names(options: TrainOptions, network: Network) -> None:
    """Raises CurateError where another program would lose a layer of the file that is going to be written."""
    spelling = resolve.file_names(options, network.backbone.family)
    if load_back.is_read(network, spelling):
        load_back.check_names(_named(network, spelling), network, spelling)


def _has_joint(network: Network) -> bool:
    """Whether programs other than diffusers have one name for several layers that were trained."""
    return any(network.layer_names[key].is_joint for key in network.adapters)


def usual_name(options: TrainOptions, data: Dataset, folder: Path) -> str:
    """The LoRA's name as given; else the trigger, or with several concepts the folder's name."""
    triggers = set(data.triggers.values())
    usual = (triggers.pop() if len(triggers) == 1 else "") or folder.resolve().name
    return run_records.file_name(options.output_name or usual)


def bring(options: TrainOptions, data: Dataset, run: run_records.Run, folder: Path) -> Path:
    """Where a finished LoRA is; written once more where another output folder or other words in it are wanted."""
    path, place = run.path(folder), run_records.output_folder(options, folder)
    same = has_words(options, path)
    if same and path.parent.resolve() == place.resolve():
        return path

    def made(new: str) -> bytes:
        tensors, said = safetensors_file.read(path)
        kept = {key: value for key, value in said.items() if key not in KEYS}
        meant = {**kept, "ss_output_name": new, **words(options, new)}
        return safetensors_file.serialize(tensors, {**meant, **safetensors_file.hashes(tensors, meant)})

    wanted = path.stem if same else usual_name(options, data, folder)
    target, raw = put(place, wanted, "", (lambda _: path.read_bytes()) if same else made)
    remember(run, folder, target, raw)
    return target


def put(place: Path, wanted: str, ending: str, made: Callable[[str], bytes]) -> tuple[Path, bytes]:
    """Writes what is made for the name NAME + ending, or NAME-2 + ending and so on; its path and bytes.

    An existing file is never overwritten, but one with these very bytes, left by a run that was killed
    right after writing it, is taken as it is.
    """
    number = 1
    while True:
        name = (wanted if number == 1 else f"{wanted}-{number}") + ending
        path, data = place / f"{name}.safetensors", made(name)
        if not path.exists():
            write_bytes(path, data)
        elif path.read_bytes() != data:
            number += 1
            continue
        return path, data


def remember(run: run_records.Run, folder: Path, path: Path, data: bytes) -> None:
    """Notes a finished file as this run's."""
    inside = path.resolve().is_relative_to(folder.resolve())
    run.file = path.resolve().relative_to(folder.resolve()).as_posix() if inside else str(path.resolve())
    run.sha256 = hashlib.sha256(data).hexdigest()
    run.save(folder)


def write(
    job: Job, network: Network, run: run_records.Run, folder: Path, step: int, ending: str = ""
) -> tuple[Path, bytes]:
    """Writes the LoRA after so many steps under its name + ending and checks it; its path and bytes.

    Raises CurateError for a file that another program would not load as it was trained; the file stays there.
    """
    place, wanted = run_records.output_folder(job.options, folder), usual_name(job.options, job.data, folder)
    path, data = put(place, wanted, ending, lambda name: content(job, network, name, run.id, step))
    names = resolve.file_names(job.options, job.backbone.family)
    check(path, network, names)
    load_back.check(path, network, names)
    return path, data


def finish(job: Job, network: Network, run: run_records.Run, folder: Path) -> Path:
    """Writes the finished LoRA and notes it as this run's."""
    path, data = write(job, network, run, folder, job.steps)
    remember(run, folder, path, data)
    return path


def check(path: Path, network: Network, spelling: str = "kohya") -> None:
    """Reads a file back: every key in the table, every layer there and whole. Raises CurateError."""
    tensors, _ = safetensors_file.read(path)
    if spelling != "kohya" or _has_joint(network):
        _check_named(path, network, spelling, tensors)
        return
    table = {layer_name.key for layer_name in network.backbone.layer_names()}
    stored = {adapter.algorithm.stored for adapter in network.adapters.values()}
    known = COMMON.union(*(algorithm(name).tensors for name in stored))
    found: dict[str, set[str]] = {}
    for key, tensor in tensors.items():
        name, _, suffix = key.partition(".")
        if name not in table or suffix not in known:
            raise CurateError(
                f"{path} holds a key that programs would ignore: {key}", "this is a fault of curate; please report it"
            )
        if not _finite(tensor):
            raise CurateError(
                f"{path}: {key} holds values that are not finite", "lower the learning rate, or save_precision fp32"
            )
        found.setdefault(name, set()).add(suffix)
    expected = {name: set(adapter.tensors()) for name, adapter in network.adapters.items()}
    if found != expected:
        odd = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise CurateError(
            f"{path} does not hold what was trained: {', '.join(odd[:3])}",
            "this is a fault of curate; please report it",
        )


def _check_named(path: Path, network: Network, spelling: str, tensors: Mapping[str, Tensor]) -> None:
    """The same of a file under other names: a reader that knows them finds every layer, and nothing else."""
    names = key_names.aliases(network.backbone.layer_names())
    found, unknown = key_names.by_layer(sources({key: tuple(t.shape) for key, t in tensors.items()}, names), names)
    expected = _named(network, spelling)
    if odd := sorted({*unknown, *(expected.keys() ^ tensors.keys()), *(found.keys() ^ network.adapters.keys())}):
        raise CurateError(
            f"{path} does not hold what was trained: {', '.join(odd[:3])}",
            "this is a fault of curate; please report it",
        )
    if broken := next((key for key, tensor in tensors.items() if not _finite(tensor)), ""):
        raise CurateError(
            f"{path}: {broken} holds values that are not finite", "lower the learning rate, or save_precision fp32"
        )


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.float()).all())
