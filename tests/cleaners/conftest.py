"""Small networks of real architectures with seeded weights."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def esrgan(blocks: int = 1, filters: int = 16, scale: int = 4, seed: int = 0) -> Any:
    """An ESRGAN generator whose output stays near its input, so that differences mean something."""
    build = importlib.import_module("spandrel.architectures.ESRGAN.__arch.RRDB").RRDBNet

    torch.manual_seed(seed)
    network = build(in_nc=3, out_nc=3, num_filters=filters, num_blocks=blocks, scale=scale)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("weight"):
                torch.nn.init.xavier_uniform_(weight, gain=1.0)
            else:
                weight.fill_(0.05)
    return network


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .pth of a small four-fold ESRGAN generator with a field of view under 24 pixels."""
    path = tmp_path_factory.mktemp("models") / "small-x4.pth"
    torch.save({"params_ema": esrgan().state_dict()}, path)
    return path


@pytest.fixture(scope="session")
def picture() -> Callable[[int, int], np.ndarray]:
    """Pictures of smooth colour with edges."""

    def make(height: int, width: int, seed: int = 0) -> np.ndarray:
        dice = np.random.default_rng(seed)
        y, x = np.mgrid[:height, :width]
        waves = [np.sin(x / dice.uniform(3, 20) + y / dice.uniform(3, 20)) for _ in range(3)]
        found = np.clip(np.stack(waves, -1) * 90 + 128, 0, 255).astype(np.uint8)
        found[:, width // 3 : width // 3 + 2] = (250, 10, 90)
        return found

    return make
