"""What the doctor can find, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GIB = 1 << 30

OPTIONAL = {
    "pillow-heif": "HEIC and AVIF photos",
    "pillow-jxl-plugin": "JPEG XL pictures",
    "realesrgan": "Real-ESRGAN's own upscaler",
    "bitsandbytes": "8-bit optimizers",
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
