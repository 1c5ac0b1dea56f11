"""Real-ESRGAN's own program (the extra `realesrgan`) as an engine beside spandrel."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import types
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cleaners import Clean, Picture
from cleaners.device import torch_device
from cleaners.errors import BadModelError, MemoryShortError, MissingModelError
from cleaners.memory_errors import is_memory_error
from cleaners.upscalers.weights import read_weights

LOG = logging.getLogger("cleaners")
_GONE = "torchvision.transforms.functional_tensor"
_SMALLEST = 64
_INSTALL = 'pip install "curate[realesrgan]" (Python ≤ 3.12)'


@contextmanager
def open_program(path: Path, device: str, *, tile: int = 0, half: bool = False) -> Generator[Clean]:
    """RealESRGANer with the network of a weights file; `tile` 0 takes the picture whole.

    Raises MissingModelError where the library is not installed, BadModelError where weights are for another network.
    """
    program, archs, compact = _import_program()
    # the program loads the file itself, by torch's default: what that would run, this refuses first
    state = read_weights(path)
    inner: Mapping[str, Any] | None = next((state[key] for key in ("params_ema", "params") if key in state), None)
    if inner is None:
        raise BadModelError(f"{path}: not in Real-ESRGAN's layout (params or params_ema)", "use the engine spandrel")
    network, scale = _network(path, inner, archs.RRDBNet, compact.SRVGGNetCompact)
    place = torch_device(device)
    half = half and place.type == "cuda"
    worker = program.RealESRGANer(
        scale, str(path), model=network, tile=tile, tile_pad=32, pre_pad=0, half=half, device=place
    )
    yield lambda picture: _enlarge(worker, picture)


def _import_program() -> tuple[Any, Any, Any]:
    """The program's modules: itself, and its two kinds of network. Raises MissingModelError."""
    with _old_name():
        try:
            return (
                importlib.import_module("realesrgan.utils"),
                importlib.import_module("basicsr.archs.rrdbnet_arch"),
                importlib.import_module("realesrgan.archs.srvgg_arch"),
            )
        except ImportError as error:
            raise MissingModelError(f"realesrgan cannot be imported: {error}", _INSTALL) from error


def check_installed() -> None:
    """Raises MissingModelError where the program is not installed; that does not import it."""
    if importlib.util.find_spec("realesrgan") is None:
        raise MissingModelError("realesrgan is not installed", _INSTALL)


def _enlarge(worker: Any, picture: Picture) -> Picture:
    """The picture enlarged, in smaller tiles from now on where memory runs out. Raises MemoryShortError."""
    while True:
        try:
            enlarged, _ = worker.enhance(np.ascontiguousarray(picture[..., ::-1]))
            return np.ascontiguousarray(enlarged[..., ::-1])
        except RuntimeError as error:
            if not is_memory_error(error):
                raise
            smaller = (worker.tile_size or max(picture.shape[:2])) // 2
            if smaller < _SMALLEST:
                raise MemoryShortError(f"a tile of {worker.tile_size} pixels does not fit into memory") from error
            LOG.warning("memory ran out, going on with tiles of %d pixels", smaller)
            worker.tile_size = smaller


@contextmanager
def _old_name() -> Generator[None]:
    """basicsr 1.4.2 imports a torchvision module that is gone; it stands in for the time of the import only."""
    if (
        _GONE in sys.modules
        or importlib.util.find_spec("torchvision") is None
        or importlib.util.find_spec(_GONE) is not None
    ):
        yield
        return
    stand_in = types.ModuleType(_GONE)
    stand_in.__dict__["rgb_to_grayscale"] = importlib.import_module(
        "torchvision.transforms.functional"
    ).rgb_to_grayscale
    sys.modules[_GONE] = stand_in
    try:
        yield
    finally:
        sys.modules.pop(_GONE, None)


def _network(path: Path, state: Mapping[str, Any], rrdb: Any, compact: Any) -> tuple[Any, int]:
    """The empty network that these weights are for, and its scale."""
    blocks = {int(key.split(".")[1]) for key in state if key.startswith("body.")}
    try:
        if "conv_first.weight" in state:
            features, channels = state["conv_first.weight"].shape[:2]
            scale = {3: 4, 12: 2, 48: 1}[channels]
            grow = state["body.0.rdb1.conv1.weight"].shape[0]
            return rrdb(3, 3, scale=scale, num_feat=features, num_block=len(blocks), num_grow_ch=grow), scale
        last = max(blocks)
        features, scale = state["body.0.weight"].shape[0], round((state[f"body.{last}.weight"].shape[0] / 3) ** 0.5)
        slopes = "body.1.weight" in state
        return compact(
            3, 3, num_feat=features, num_conv=(last - 2) // 2, upscale=scale, act_type="prelu" if slopes else "relu"
        ), scale
    except (KeyError, ValueError, IndexError) as error:
        raise BadModelError(f"{path}: not the weights of a Real-ESRGAN network", "use the engine spandrel") from error
