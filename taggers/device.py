"""Where PyTorch models of this package run."""

from __future__ import annotations

from taggers import providers
from taggers.errors import NoGpuError


def torch_device(device: str, *, require_gpu: bool) -> str:
    """cuda, cuda:N or cpu, as asked for and as there is; a fall to the CPU is logged. Raises NoGpuError."""
    import torch

    wanted = "cuda" if device == "tensorrt" else device
    if wanted != "cpu" and torch.cuda.is_available():
        return "cuda" if wanted == "auto" else wanted
    found = providers.facts()
    if found.devices and device != "cpu":
        built = "this PyTorch was built without CUDA" if torch.version.cuda is None else "PyTorch cannot start CUDA"
        if require_gpu:
            raise NoGpuError(
                f"a GPU is required, but the tagger would run on the CPU: {built}", "install PyTorch for CUDA"
            )
        providers.LOG.warning("tagging on the CPU, which is slow: %s", built)
        return "cpu"
    message = providers.verdict(
        providers.CPU if device == "auto" else providers.CUDA, providers.CPU, found, device, require_gpu=require_gpu
    )
    if message and device != "cpu":
        providers.LOG.warning(message)
    return "cpu"
