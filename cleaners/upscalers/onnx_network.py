"""Upscaling networks as ONNX graphs, run by onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cleaners.errors import BadModelError, UnknownModelError, library_reason
from cleaners.memory_errors import is_memory_error
from cleaners.upscalers import Tiles

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_PROBE = 64


@contextmanager
def opened(path: Path, device: str) -> Generator[OnnxNetwork]:
    """The network of an .onnx file. Raises BadModelError and MissingModelError."""
    yield OnnxNetwork(path, device)


class OnnxNetwork:
    """A graph with one picture input (N×3×H×W, 0..1) and one output of the same form, enlarged by a whole number."""

    def __init__(self, path: Path, device: str) -> None:
        self.path = path
        self.session = session(path, device)
        entries = self.session.get_inputs()
        if len(entries) != 1 or entries[0].type not in _TYPES or len(entries[0].shape) != 4:
            said = ", ".join(f"{e.name} {e.type} {e.shape}" for e in entries)
            raise BadModelError(f"{path}: not a picture network: inputs are {said}", "expected one float input N×3×H×W")
        self.entry = entries[0]
        self.dtype = _TYPES[self.entry.type]
        count, channels, height, width = (d if isinstance(d, int) and d > 0 else 0 for d in self.entry.shape)
        if channels not in (0, 3) or ((height or width) and height != width):
            raise BadModelError(
                f"{path}: takes input {self.entry.shape}", "expected N×3×H×W, with H = W where they are fixed"
            )
        self.side = height
        self.single = count == 1
        self.scale = self._scale(height or _PROBE)
        # what a typical network of 64 channels holds at its output size, in single precision
        self.per_pixel = 64 * 4 * 3 * self.scale**2

    def __call__(self, tiles: Tiles) -> Tiles:
        """See Network."""
        batch = np.ascontiguousarray(tiles.transpose(0, 3, 1, 2)).astype(self.dtype)
        groups = np.split(batch, len(batch)) if self.single else [batch]
        found = np.concatenate([self._run(group) for group in groups])
        return found.transpose(0, 2, 3, 1).astype(np.float32)

    def memory(self) -> int:
        """See Network."""
        from cleaners.device import free_memory, torch_device

        on_gpu = "CUDAExecutionProvider" in self.session.get_providers()
        return free_memory(torch_device("auto" if on_gpu else "cpu"))

    def _run(self, batch: Any) -> Any:
        try:
            return self.session.run(None, {self.entry.name: batch})[0]
        except Exception as error:
            if is_memory_error(error):
                raise MemoryError(str(error)) from None
            raise BadModelError(f"{self.path}: {library_reason(error)}") from error

    def _scale(self, side: int) -> int:
        found = self._run(np.zeros((1, 3, side, side), self.dtype))
        shape = np.shape(found)
        scale = shape[-1] / side if len(shape) == 4 else 0
        if scale < 1 or scale != int(scale) or shape != (1, 3, side * int(scale), side * int(scale)):
            raise BadModelError(
                f"{self.path}: turns {side}×{side} pixels into {shape}", "expected a whole multiple, three channels"
            )
        return int(scale)


def session(path: Path, device: str) -> Any:
    """An onnxruntime session on CUDA where that is asked for and there, else on the CPU. Raises as OnnxNetwork does."""
    import onnxruntime

    if not path.is_file():
        raise UnknownModelError(f"{path}: no such file")
    offered = onnxruntime.get_available_providers()
    providers: list[Any] = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in offered and _cuda():
        index = int(device.partition(":")[2] or 0)
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": index}))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = int(os.environ.get("ONNX_THREADS", "0"))  # 0: all cores
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        said = library_reason(error)
        raise BadModelError(
            f"{path}: not a graph onnxruntime can load ({said})",
            "download it again, or use weights that spandrel loads",
        ) from error


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
