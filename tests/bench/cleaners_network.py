"""A small denoising upscaler of a real architecture, trained on the spot on pictures that are not shown."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.cleaners_variants import DATA, Picture, flat, smooth, white

_PATCH, _BATCH = 40, 8


def held_out(shown: Sequence[str]) -> list[Picture]:
    """The photos whose names (folder/file) are not among those shown, at half size: sharp, hardly any noise left."""
    from PIL import Image

    found: list[Picture] = []
    for path in sorted((DATA / "photos").glob("*/*.jpg")):
        if f"{path.parent.name}/{path.name}" not in shown:
            with Image.open(path) as image:
                found.append(
                    np.asarray(flat(image).resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS))
                )
    return found


def train(path: Path, shown: Sequence[str], steps: int) -> float:
    """Writes the weights of a Compact network (two-fold, eight layers of 24) to `path`; returns the seconds it took.

    It sees patches shrunk by area averages under noise of ±0 to ±16 (white or blurred) and is to give the patch itself.
    """
    import torch

    torch.manual_seed(0)
    build = importlib.import_module("spandrel.architectures.Compact.__arch.SRVGG").SRVGGNetCompact
    network = build(num_in_ch=3, num_out_ch=3, num_feat=24, num_conv=8, upscale=2, act_type="prelu")
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    pictures, dice, begin = held_out(shown), np.random.default_rng(0), time.perf_counter()
    for _ in range(steps):
        pairs = [_pair(pictures[int(dice.integers(len(pictures)))], dice) for _ in range(_BATCH)]
        small, large = (_tensor(np.stack(part)) for part in zip(*pairs, strict=True))
        loss = (network(small) - large).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    torch.save({"params": network.state_dict()}, path)
    return time.perf_counter() - begin


def _pair(picture: Picture, dice: np.random.Generator) -> tuple[Picture, Picture]:
    """(what the network sees, what it is to give)"""
    import cv2

    side = 2 * _PATCH
    top, left = (int(dice.integers(0, length - side + 1)) for length in picture.shape[:2])
    large = np.ascontiguousarray(np.rot90(picture[top : top + side, left : left + side], int(dice.integers(4))))
    small = np.asarray(cv2.resize(large, (_PATCH, _PATCH), interpolation=cv2.INTER_AREA), np.uint8)
    noise = white if dice.random() < 0.7 else smooth
    return noise(small, int(dice.integers(0, 17)), str(dice.integers(1 << 30))), large


def _tensor(pictures: NDArray[np.uint8]) -> Any:
    import torch

    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
