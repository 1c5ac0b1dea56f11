"""Writes the finished LoRA under a name of its own and checks that readers will take every key."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from curate.errors import CurateError
from curate.train import container, ledger
from curate.train.digests import write_atomic
from curate.train.metadata import metadata
from curate.train.network import Network
from curate.train.options import TrainOptions
from curate.train.prepare import Job

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
SUFFIXES: dict[str, frozenset[str]] = {
    "lora": frozenset(("lora_up.weight", "lora_down.weight", "lora_mid.weight")),
    "loha": frozenset(("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")),
    "glora": frozenset(("a1.weight", "a2.weight", "b1.weight", "b2.weight")),
    "ia3": frozenset(("weight", "on_input")),
    "oft": frozenset(("oft_blocks", "rescale")),
    "full": frozenset(("diff", "diff_b")),
    "norm": frozenset(("w_norm", "b_norm")),
    "lokr": frozenset(("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")),
}
COMMON = frozenset(("alpha", "dora_scale"))


def content(job: Job, network: Network, name: str, identity: str, step: int) -> bytes:
    """The file's bytes after so many steps."""
    dtype = DTYPES[job.options.save_precision]
    tensors = {k: t.to(dtype) if t.is_floating_point() else t for k, t in network.tensors().items()}
    said = metadata(job, network, name, identity, step)
    return container.serialize(tensors, {**said, **container.hashes(tensors, said)})


def usual_name(job: Job, folder: Path) -> str:
    """The LoRA's name as given; else the trigger, or with several concepts the folder's name."""
    triggers = set(job.data.triggers.values())
    usual = (triggers.pop() if len(triggers) == 1 else "") or folder.resolve().name
    return ledger.file_name(job.options.output_name or usual)


def output_folder(options: TrainOptions, folder: Path) -> Path:
    """Where LoRA files go."""
    return Path(options.output_dir).expanduser() if options.output_dir else folder / "lora"


def bring(options: TrainOptions, run: ledger.Run, folder: Path) -> Path:
    """Where a finished LoRA is; copied first where another output folder is wanted than it was written to."""
    path, place = run.path(folder), output_folder(options, folder)
    if path.parent.resolve() == place.resolve():
        return path
    place.mkdir(parents=True, exist_ok=True)
    data, target = path.read_bytes(), place / path.name
    if not target.exists() or target.read_bytes() != data:
        target = ledger.free_name(place, path.stem)
        write_atomic(target, data)
    run.file = str(target.absolute())
    run.save(folder)
    return target


def write(job: Job, network: Network, run: ledger.Run, folder: Path, step: int, ending: str = "") -> tuple[Path, str]:
    """Writes NAME + ending, or NAME-2 + ending and so on, and checks it; its path and sha256.

    An existing file is never overwritten, but one with these very bytes, left by a run that was killed
    right after writing it, is taken as it is.
    """
    place = output_folder(job.options, folder)
    wanted = usual_name(job, folder)
    number = 1
    while True:
        name = wanted if number == 1 else f"{wanted}-{number}"
        path = place / f"{name}{ending}.safetensors"
        data = content(job, network, name + ending, run.id, step)
        if not path.exists():
            write_atomic(path, data)
            break
        if path.read_bytes() == data:
            break
        number += 1
    check(path, network)
    return path, hashlib.sha256(data).hexdigest()


def finish(job: Job, network: Network, run: ledger.Run, folder: Path) -> Path:
    """Writes the finished LoRA and notes it as this run's."""
    path, digest = write(job, network, run, folder, job.steps)
    inside = path.resolve().is_relative_to(folder.resolve())
    run.file = path.resolve().relative_to(folder.resolve()).as_posix() if inside else str(path.resolve())
    run.sha256 = digest
    run.save(folder)
    return path


def check(path: Path, network: Network) -> None:
    """Reads a file back: every key in the table, every layer there and whole. Raises CurateError."""
    tensors, _ = container.read(path)
    table = {site.name for site in network.backbone.sites()}
    found: dict[str, set[str]] = {}
    for key, tensor in tensors.items():
        name, _, suffix = key.partition(".")
        known = any(suffix in group for group in (COMMON, *SUFFIXES.values()))
        if name not in table or not known:
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
            f"{path} does not hold what was trained: {', '.join(odd[:3])}", "this is a fault of curate; please report it"
        )


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.float()).all())
