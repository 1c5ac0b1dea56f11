"""Doctor: what this machine can do, what is missing, and the remedy for each."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from rich.text import Text

from curate.report.text import console, counted, visible

GIB = 1 << 30

OPTIONAL = {
    "pillow_heif": "HEIC and AVIF pictures of telephones",
    "pyvips": "very large pictures and odd formats",
    "realesrgan": "Real-ESRGAN's own upscaler",
    "ray": "stages spread over several machines",
    "wandb": "training curves on Weights & Biases",
    "bitsandbytes": "8-bit optimisers",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """The computer; memory and disk in bytes, `memory` 0 where it cannot be told."""

    python: str
    system: str
    architecture: str
    cores: int
    memory: int
    disk: str
    disk_free: int


@dataclass(frozen=True, slots=True)
class Device:
    """A CUDA device; memory in bytes."""

    name: str
    memory: int
    capability: str
    bf16: bool


@dataclass(frozen=True, slots=True)
class Torch:
    """PyTorch as it loads here; `error` says why it does not, `built` what it was built for (`cpu`, `cuda 12.8` …)."""

    version: str = ""
    built: str = ""
    devices: tuple[Device, ...] = ()
    mps: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Onnx:
    """onnxruntime: `packages` installed, `providers` it offers, and whether CUDA ran a graph, or why it did not."""

    version: str = ""
    packages: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    driver: bool = False
    gpus: int = 0
    cuda: bool = False
    reason: str = ""
    remedy: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A model that needs no download; `size` in bytes, 0 for what curate carries or builds itself."""

    name: str
    kind: str
    place: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything the doctor looked at; `optional` maps a package to its version, empty where it is not installed."""

    machine: Machine
    torch: Torch
    onnx: Onnx
    opencv: str
    optional: dict[str, str]
    models: tuple[OnDisk, ...]
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is missing or slow, and what to do; `error` stops curate's work, `warning` and `note` do not."""

    level: Literal["error", "warning", "note"]
    what: str
    remedy: str


def examine(folder: Path | None = None) -> Findings:
    """Looks at this machine; `folder` is where output would go. Loads PyTorch and onnxruntime: takes seconds."""
    cached, broken = _hub()
    return Findings(
        _machine(folder or Path.cwd()), _torch(), _onnx(), _opencv(), _optional(), (*_embedded(), *cached), tuple(broken)
    )


def as_dict(found: Findings) -> dict[str, Any]:
    """The findings and their problems as JSON-able values."""
    return {**dataclasses.asdict(found), "problems": [dataclasses.asdict(p) for p in problems(found)]}


def problems(found: Findings) -> list[Problem]:
    """What is wrong with what was found, what stops curate first."""
    order = ("error", "warning", "note")
    return sorted((*_of_torch(found), *_of_onnx(found), *_of_the_rest(found)), key=lambda p: order.index(p.level))


def _of_torch(found: Findings) -> Iterator[Problem]:
    torch = found.torch
    if torch.error:
        yield Problem("error", f"PyTorch does not load: {torch.error}", "pip install --force-reinstall torch")
    elif found.onnx.gpus and not torch.built.startswith(("cuda", "rocm")):
        index = "https://download.pytorch.org/whl/cu128"
        yield Problem(
            "warning", "PyTorch was built without CUDA: training ignores the GPU", f"pip install torch --index-url {index}"
        )
    elif found.onnx.gpus and not torch.devices:
        yield Problem(
            "warning",
            f"PyTorch ({torch.built}) cannot use the GPU",
            "update the NVIDIA driver; nvidia-smi shows what it supports",
        )
    for device in torch.devices:
        if not device.bf16:
            yield Problem("note", f"{device.name} has no bf16", "train with precision fp16")
        if device.memory < 6 * GIB:
            gib = device.memory / GIB
            yield Problem(
                "note", f"{device.name} has {gib:.0f} GiB", "train SD 1.5 at 512 with batch size 1; SDXL wants 10 GiB or more"
            )


def _of_onnx(found: Findings) -> Iterator[Problem]:
    onnx = found.onnx
    if onnx.error:
        remedy = "pip install --force-reinstall onnxruntime-gpu (onnxruntime where there is no NVIDIA GPU)"
        yield Problem("error", f"onnxruntime does not load, so nothing can be tagged: {onnx.error}", remedy)
    elif len(onnx.packages) > 1:
        names = " and ".join(onnx.packages)
        remedy = f"pip uninstall {' '.join(onnx.packages)}, then install one of them"
        yield Problem("warning", f"{names} are both installed and overwrite each other", remedy)
    elif onnx.gpus and not onnx.cuda:
        yield Problem("warning", f"tagging does not use the GPU: {onnx.reason}", onnx.remedy)
    elif not onnx.driver and not found.torch.mps and not found.torch.devices:
        remedy = "this suits preparation and small trials; train and tag large sets on a machine with an NVIDIA GPU"
        yield Problem("note", "there is no NVIDIA driver: everything runs on the CPU", remedy)


def _of_the_rest(found: Findings) -> Iterator[Problem]:
    if found.opencv:
        remedy = "pip install opencv-python-headless (or install the system library it names)"
        yield Problem("error", f"OpenCV does not load: {found.opencv}", remedy)
    if found.machine.disk_free < 10 * GIB:
        free = found.machine.disk_free / GIB
        yield Problem(
            "warning", f"only {free:.1f} GiB free at {found.machine.disk}", "models and prepared pictures want 10 GiB or more"
        )
    if 0 < found.machine.memory < 8 * GIB:
        yield Problem("warning", f"only {found.machine.memory / GIB:.1f} GiB of memory", "set run.workers to 1 and train small")
    for fault in found.broken:
        yield Problem(
            "warning", f"the model cache is damaged: {fault}", "delete what it names; it is downloaded again when needed"
        )
    if not found.optional["pillow_heif"]:
        yield Problem("note", "HEIC pictures cannot be read", "pip install pillow-heif")


def _machine(folder: Path) -> Machine:
    from curate.executors.local import available_cpus

    place = folder.absolute()
    while not place.exists():
        place = place.parent
    system = f"{platform.system()} {platform.release()}"
    free = shutil.disk_usage(place).free
    return Machine(platform.python_version(), system, platform.machine(), available_cpus(), _memory(), str(place), free)


def _memory() -> int:
    """Bytes of memory this process may use, 0 where it cannot be told."""
    sizes: list[int] = []
    try:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        if sys.platform == "win32":
            sizes.append(_windows_memory())
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        sizes += [int(limit)] if limit.isdigit() else []
    except OSError:
        pass
    return min((s for s in sizes if s > 0), default=0)


def _windows_memory() -> int:
    import ctypes

    # MEMORYSTATUSEX: length, load, then seven 64-bit counts of which the first is physical memory
    status = (ctypes.c_uint64 * 8)()
    ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009
    return int(status[1]) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else 0


def _torch() -> Torch:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Torch(error=_line(error))
    hip = getattr(torch.version, "hip", None)
    cuda = torch.version.cuda
    built = f"rocm {hip}" if hip else f"cuda {cuda}" if cuda else "cpu"
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
        return Onnx(packages=packages, error=_line(error))
    seen = providers.facts()
    known = Onnx(onnxruntime.__version__, packages, seen.providers, seen.driver, seen.devices)
    reason, remedy = providers.why_not(seen)
    if not seen.devices or providers.CUDA not in seen.providers:
        return dataclasses.replace(known, reason=reason, remedy=remedy)
    # a provider that is offered may still fail to load: only a session tells
    from taggers import catalogue, errors

    try:
        made = providers.session(catalogue.find("palette").model, "cuda", found=seen)
    except errors.TaggerError as error:
        return dataclasses.replace(known, reason=_line(error), remedy=remedy)
    if made.get_providers()[0] == providers.CUDA:
        return dataclasses.replace(known, cuda=True)
    return dataclasses.replace(known, reason=reason, remedy=remedy)


def _opencv() -> str:
    try:
        importlib.import_module("cv2")
    except (ImportError, OSError) as error:
        return _line(error)
    return ""


def _optional() -> dict[str, str]:
    return {name: _version(name) if importlib.util.find_spec(name) else "" for name in OPTIONAL}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _embedded() -> list[OnDisk]:
    from taggers import catalogue

    taggers = [OnDisk(name, "tagger", "in curate") for name, (_, model) in catalogue.models().items() if model.embedded]
    return [*taggers, OnDisk("tiny", "base model", "in curate")]


def _hub() -> tuple[list[OnDisk], list[str]]:
    """Models in the Hugging Face cache, and what is damaged in it."""
    from huggingface_hub import scan_cache_dir
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
        base = "base model" if "model_index.json" in files else repo.repo_type
        kind = "tagger" if repo.repo_id in published else base
        found.append(OnDisk(published.get(repo.repo_id, repo.repo_id), kind, str(repo.repo_path), repo.size_on_disk))
    return found, [_line(warning) for warning in cache.warnings]


def _line(error: BaseException) -> str:
    """An exception's first line, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def show(found: Findings, stream: TextIO) -> None:
    """Prints the findings for a person."""
    out = console(stream)
    for name, value in _rows(found):
        out.print(Text.assemble((f"{name:<14}", "dim"), visible(value)))
    colours = {"error": "bold red", "warning": "yellow", "note": "cyan"}
    all_problems = problems(found)
    out.print("")
    for problem in all_problems:
        out.print(Text.assemble((f"{problem.level}: ", colours[problem.level]), visible(problem.what)))
        out.print(Text(f"  {visible(problem.remedy)}"))
    if not any(p.level != "note" for p in all_problems):
        out.print(Text("nothing stands in the way", style="green"))


def _rows(found: Findings) -> Iterator[tuple[str, str]]:
    machine, torch, onnx = found.machine, found.torch, found.onnx
    yield "python", f"{machine.python} on {machine.system}, {machine.architecture}"
    memory = f", {machine.memory / GIB:.0f} GiB memory" if machine.memory else ""
    yield "machine", f"{counted(machine.cores, 'core')}{memory}, {machine.disk_free / GIB:.0f} GiB free at {machine.disk}"
    yield "torch", torch.error or f"{torch.version}, built for {torch.built}{', Apple GPU' if torch.mps else ''}"
    for number, device in enumerate(torch.devices):
        bf16 = "bf16" if device.bf16 else "no bf16"
        yield f"  cuda:{number}", f"{device.name}, {device.memory / GIB:.0f} GiB, compute {device.capability}, {bf16}"
    yield "onnxruntime", onnx.error or f"{onnx.version}: {', '.join(onnx.providers)}"
    yield "  cuda", "runs" if onnx.cuda else f"does not run: {onnx.error or onnx.reason}"
    for name, use in OPTIONAL.items():
        yield name, f"{found.optional[name] or 'not installed'} ({use})"
    for model in found.models:
        size = f", {model.size / GIB:.2f} GiB" if model.size else ""
        yield model.kind, f"{model.name}{size} ({model.place})"
