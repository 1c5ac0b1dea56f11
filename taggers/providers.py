"""Which onnxruntime provider runs a graph, whether it really does, and why a GPU is not used."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taggers.errors import BadModelError, NoGpuError, library_reason

LOG = logging.getLogger("taggers")

_PRELOADING = threading.Lock()

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"


@dataclass(frozen=True, slots=True)
class Facts:
    """What this machine says: providers built into onnxruntime, NVIDIA driver, devices, CUDA and cuDNN libraries."""

    providers: tuple[str, ...]
    driver: bool
    devices: int
    cuda: bool
    cudnn: bool


def why_not(facts: Facts, provider: str = CUDA) -> tuple[str, str]:
    """Why `provider` does not run here, and the remedy; the first cause in the order in which they must be mended."""
    if not facts.driver:
        return "no NVIDIA driver is loaded", "install the NVIDIA driver, or use device cpu"
    if not facts.devices:
        return "the NVIDIA driver sees no GPU", "look at nvidia-smi and CUDA_VISIBLE_DEVICES"
    if provider not in facts.providers:
        wheel = "pip uninstall onnxruntime; pip install --force-reinstall onnxruntime-gpu"
        return f"this onnxruntime was built without {provider}", wheel
    if not facts.cuda:
        return "the CUDA runtime libraries (cuBLAS) cannot be loaded", 'pip install "onnxruntime-gpu[cuda,cudnn]"'
    if not facts.cudnn:
        return "cuDNN 9 cannot be loaded", 'pip install "onnxruntime-gpu[cuda,cudnn]"'
    return (
        f"{provider} could not be started",
        "see the message of onnxruntime above; it often names a library of another version",
    )


def facts() -> Facts:
    """Looks at this machine; loads onnxruntime and, where there is a driver, the CUDA libraries."""
    import onnxruntime as ort

    providers = tuple(ort.get_available_providers())
    devices = _devices()
    if devices and CUDA in providers and hasattr(ort, "preload_dlls"):
        _preload(ort)
    windows = sys.platform == "win32"
    cudnn = _loads("cudnn64_9.dll" if windows else "libcudnn.so.9")
    blas = ("cublas64_13.dll", "cublas64_12.dll") if windows else ("libcublas.so.13", "libcublas.so.12")
    return Facts(providers, devices is not None, devices or 0, any(_loads(b) for b in blas), cudnn)


def choose(device: str, machine: Facts) -> tuple[str, int]:
    """The provider to ask for and the device's number. Raises BadModelError for a device that does not exist."""
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "tensorrt") or (number and not number.isdigit()):
        raise BadModelError(f'unknown device "{device}"', "use auto, cpu, cuda, cuda:N or tensorrt")
    if kind == "cpu":
        return CPU, 0
    if kind == "auto":
        return (CUDA if machine.devices and CUDA in machine.providers else CPU), 0
    return (TENSORRT if kind == "tensorrt" else CUDA), int(number or 0)


def verdict(asked: str, got: str, machine: Facts, device: str, *, require_gpu: bool) -> str:
    """What to tell the user of the provider that runs; empty when all is as it should be.

    Raises NoGpuError where `require_gpu` and the graph runs on the CPU.
    """
    if got != CPU:
        return "" if got == asked else f"{asked} was asked for, {got} runs: {why_not(machine, asked)[0]}"
    if asked == CPU and device == "cpu" and not require_gpu:
        return ""
    target = asked if asked != CPU else CUDA
    reason, remedy = (
        why_not(machine, target) if device != "cpu" else ("device cpu was asked for", "use device auto or cuda")
    )
    if require_gpu:
        raise NoGpuError(f"a GPU is required, but the tagger would run on the CPU: {reason}", remedy)
    return f"tagging on the CPU, which is slow: {reason} ({remedy})"


def session(path: Path, device: str = "auto", *, require_gpu: bool = False, machine: Facts | None = None) -> Any:
    """An onnxruntime session on the best provider, checked against what was asked for.

    A fall from GPU to CPU is logged as a warning on the logger `taggers`. Raises NoGpuError and BadModelError.
    """
    import onnxruntime as ort

    machine = facts() if machine is None else machine
    asked, number = choose(device, machine)
    if require_gpu and (asked == CPU or not machine.devices or asked not in machine.providers):
        verdict(asked, CPU, machine, device, require_gpu=True)
    usable = asked in machine.providers and (asked == CPU or machine.devices > 0)
    try:
        made: Any = ort.InferenceSession(str(path), _options(ort), providers=_chain(asked if usable else CPU, number))
    except Exception as error:
        raise BadModelError(f"{path}: onnxruntime cannot load it ({library_reason(error)})") from error
    message = verdict(asked, made.get_providers()[0], machine, device, require_gpu=require_gpu)
    if message:
        LOG.warning(message)
    return made


def _chain(provider: str, number: int) -> Sequence[Any]:
    cuda = (CUDA, {"device_id": number, "cudnn_conv_algo_search": "HEURISTIC"})
    if provider == CPU:
        return [CPU]
    return [cuda, CPU] if provider == CUDA else [(TENSORRT, {"device_id": number, "trt_fp16_enable": False}), cuda, CPU]


def _options(ort: Any) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = int(os.environ.get("ONNX_THREADS", "0"))  # 0: all cores
    return options


def _devices() -> int | None:
    """Number of CUDA devices, None without a driver."""
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        if cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
        return count.value
    except OSError:
        return None


def _preload(ort: Any) -> None:
    """Lets onnxruntime take the CUDA libraries from PyTorch's or NVIDIA's wheels; what fails shows in the facts."""
    import contextlib
    import io

    # standard output belongs to the process: two threads would put back each other's
    with _PRELOADING, contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
        ort.preload_dlls()


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
