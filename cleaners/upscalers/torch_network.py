"""Networks that spandrel recognises by their weights: ESRGAN, Real-ESRGAN, SwinIR, DAT and many more."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cleaners.device import free_memory, kept_memory, torch_device
from cleaners.errors import BadModelError, library_reason
from cleaners.memory_errors import is_memory_error
from cleaners.upscalers import Tiles
from cleaners.upscalers.weights import read_weights

Precision = Literal["auto", "full", "half"]
KEPT = 320 * 320
"""Pixels up to which memory is kept between layers: with more, pieces that fit no layer cost more than it saves."""


@contextmanager
def opened(path: Path, device: str, precision: Precision) -> Generator[TorchNetwork]:
    """The network of a weights file on a device. Raises BadModelError and MissingModelError."""
    import torch

    place = torch_device(device)
    network: TorchNetwork | None = TorchNetwork(describe(path), place, precision)
    try:
        yield network
    finally:
        network = None
        if place.type == "cuda":
            torch.cuda.empty_cache()


def describe(path: Path) -> Any:
    """spandrel's description of the network, on the CPU.

    Raises BadModelError where it knows none, or one for other work.
    """
    import spandrel

    weights = read_weights(path)
    try:
        found = spandrel.ModelLoader().load_from_state_dict(spandrel.canonicalize_state_dict(dict(weights)))
    except spandrel.UnsupportedModelError as error:
        raise BadModelError(
            f"{path}: no architecture that spandrel knows has such weights", "see the architectures spandrel lists"
        ) from error
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, AssertionError, IndexError) as error:
        raise BadModelError(f"{path}: incomplete or inconsistent weights ({library_reason(error)})") from error
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.input_channels not in (1, 3) or found.scale < 1:
        raise BadModelError(
            f"{path}: a network for {found.purpose.lower()}, not from picture to picture",
            "use an upscaler or a restorer",
        )
    return found.eval()


class TorchNetwork:
    """A spandrel network on a device; half precision on CUDA where the network is known to bear it."""

    side = 0

    def __init__(self, descriptor: Any, device: Any, precision: Precision) -> None:
        self.model = descriptor.to(device)
        self.device = device
        self.scale: int = descriptor.scale
        self.grey = descriptor.input_channels == 1
        self.dtype = number_format(descriptor, device, precision)
        self.model.to(self.dtype)
        self.per_pixel = self._weigh()

    def __call__(self, tiles: Tiles) -> Tiles:
        """See Network."""
        import torch

        small = math.prod(tiles.shape[:3]) <= KEPT
        try:
            with kept_memory(self.device) if small else nullcontext():
                found = self._run(tiles)
            if self.dtype != torch.float32 and not torch.isfinite(found).all():
                # some trained networks overflow in half precision on some pictures: from here on in full
                self.dtype = torch.float32
                self.model.to(torch.float32)
                found = self._run(tiles)
            return np.asarray(found.permute(0, 2, 3, 1).float().cpu().numpy(), np.float32)
        except RuntimeError as error:
            if not is_memory_error(error):
                raise
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            raise MemoryError(str(error)) from None

    def memory(self) -> int:
        """See Network."""
        return free_memory(self.device)

    def _run(self, tiles: Tiles) -> Any:
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(tiles.transpose(0, 3, 1, 2))).to(self.device, self.dtype)
            if self.grey:
                # a network for grey pictures sees each colour as one
                count, _, height, width = batch.shape
                found = self.model(batch.reshape(count * 3, 1, height, width))
                return found.reshape(count, 3, *found.shape[-2:])
            return self.model(batch)[:, :3]

    def _weigh(self) -> int:
        """Bytes per input pixel, from what the layers of one small run read and write at their widest."""
        import torch

        widest = 0

        def note(_: Any, inputs: Any, output: Any) -> None:
            nonlocal widest
            tensors = [t for t in (*inputs, output) if isinstance(t, torch.Tensor)]
            widest = max(widest, sum(t.numel() * t.element_size() for t in tensors))

        leaves = [m for m in self.model.model.modules() if not any(True for _ in m.children())]
        hooks = [leaf.register_forward_hook(note) for leaf in leaves]
        try:
            self._run(np.zeros((1, 64, 64, 3), np.float32))
        finally:
            for hook in hooks:
                hook.remove()
        # what is kept for skip connections and the libraries' own work space come on top
        return math.ceil(3 * widest / (64 * 64))


def number_format(descriptor: Any, device: Any, precision: Precision) -> Any:
    """The torch dtype for a spandrel network: half by itself only on CUDA, and only what the network bears."""
    import torch

    if precision == "half" or (precision == "auto" and device.type == "cuda"):
        if descriptor.supports_half and device.type == "cuda":
            return torch.float16
        if descriptor.supports_bfloat16:
            return torch.bfloat16
    return torch.float32
