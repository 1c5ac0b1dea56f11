"""Looks at this machine: Python, memory, disk, PyTorch, onnxruntime, OpenCV, optional packages, models on disk."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import shutil
from pathlib import Path

from curate.core.machine import memory_bytes
from curate.diffusion.family import INDEXES
from curate.doctor.findings import OPTIONAL, Device, Findings, Machine, OnDisk, Onnx, Torch
from curate.errors import library_reason


def examine(folder: Path | None = None) -> Findings:
    """Looks at this machine; `folder` is where output would go. Loads PyTorch and onnxruntime: takes seconds."""
    cached, broken = _hub()
    return Findings(
        _machine(folder or Path.cwd()),
        _torch(),
        _onnx(),
        _opencv(),
        _optional(),
        (*_embedded(), *cached),
        tuple(broken),
    )


def _machine(folder: Path) -> Machine:
    from curate.executors.parallelism import available_cpus

    place = folder.absolute()
    while not place.exists():
        place = place.parent
    system = f"{platform.system()} {platform.release()}"
    free = shutil.disk_usage(place).free
    return Machine(
        platform.python_version(), system, platform.machine(), available_cpus(), memory_bytes(), str(place), free
    )


def _torch() -> Torch:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Torch(error=library_reason(error))
    hip = getattr(torch.version, "hip", None)
    cuda = torch.version.cuda
    kinds = (("rocm", hip), ("cuda", cuda))
    built = next((f"{kind} {version}" for kind, version in kinds if version), "cpu")
    devices: list[Device] = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        about = torch.cuda.get_device_properties(number)
        # Ampere is the first with bf16 in hardware; PyTorch also says yes where it emulates
        bf16 = bool(hip) or about.major >= 8
        devices.append(Device(about.name, about.total_memory, f"{about.major}.{about.minor}", bf16))
    return Torch(str(torch.__version__), built, tuple(devices), torch.backends.mps.is_available())


def _onnx() -> Onnx:
    from taggers import providers

    packages = tuple(n for n in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml") if _version(n))
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        return Onnx(packages=packages, error=library_reason(error))
    seen = providers.facts()
    known = Onnx(onnxruntime.__version__, packages, seen.providers, seen.driver, seen.devices)
    reason, remedy = providers.why_not(seen)
    if not seen.devices or providers.CUDA not in seen.providers:
        return dataclasses.replace(known, reason=reason, remedy=remedy)
    # a provider that is offered may still fail to load: only a session tells
    from taggers import catalogue, errors

    try:
        made = providers.session(catalogue.find("palette").model, "cuda", machine=seen)
    except errors.TaggerError as error:
        return dataclasses.replace(known, reason=library_reason(error), remedy=remedy)
    if made.get_providers()[0] == providers.CUDA:
        return dataclasses.replace(known, cuda=True)
    return dataclasses.replace(known, reason=reason, remedy=remedy)


def _opencv() -> str:
    try:
        importlib.import_module("cv2")
    except (ImportError, OSError) as error:
        return library_reason(error)
    return ""


def _optional() -> dict[str, str]:
    return {name: _version(name) for name in OPTIONAL}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _embedded() -> list[OnDisk]:
    from taggers import catalogue

    taggers = [OnDisk(name, "tagger", "in curate") for name, (_, model) in catalogue.models().items() if model.embedded]
    return [*taggers, *(OnDisk(name, "base model", "in curate") for name in ("toy", "tiny"))]


def _hub() -> tuple[list[OnDisk], list[str]]:
    """Models in the Hugging Face cache, and what is damaged in it.

    Other programs keep files of their own there (diffusers a version number): they are neither.
    """
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    from taggers import catalogue

    published = {model.repo: name for name, (_, model) in catalogue.models().items() if model.repo}
    try:
        cache = scan_cache_dir()
    except CacheNotFound:
        return [], []
    found: list[OnDisk] = []
    for repo in sorted(cache.repos, key=lambda r: r.repo_id):
        files = {f.file_name for revision in repo.revisions for f in revision.files}
        base = "base model" if files & {*INDEXES} else repo.repo_type
        kind = "tagger" if repo.repo_id in published else base
        found.append(OnDisk(published.get(repo.repo_id, repo.repo_id), kind, str(repo.repo_path), repo.size_on_disk))
    whole = {repo.repo_path for repo in cache.repos}
    entries = sorted(Path(constants.HF_HUB_CACHE).iterdir())
    return found, [str(path) for path in entries if _is_repository(path) and path not in whole]


def _is_repository(path: Path) -> bool:
    """Whether an entry of the cache is meant to hold a model; a note that the hub lacks a file makes a folder too."""
    kind = path.name.partition("--")[0]
    noted = (path / ".no_exist").is_dir() and not (path / "snapshots").exists()
    return kind in ("models", "datasets", "spaces") and path.is_dir() and not noted
