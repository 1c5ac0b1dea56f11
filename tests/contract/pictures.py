"""What contracts of picture stages share: three pictures, options by which each stage acts, and one long pass."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from curate.core import registry
from curate.core.chain import Encode, Prepared
from curate.core.executor import Executor
from curate.core.record import Image, Record
from curate.core.stage import Concept, Env, RecordStage, Stage
from curate.images import PICTURE_FILES
from tests.contract.strategies import STAGES

OPTIONS: dict[str, dict[str, Any]] = {
    "crop": {"padding": 0.1},
    "denoise": {"when": "always"},
    "flip": {"pictures": ("*.png",)},
    "resize": {"max_side": 48},
    "tag": {"tagger": ("palette",)},
    "upscale": {"model": "lanczos", "size": 128},
}
"""Options with which a stage has something to do and asks for nothing that is not on this machine."""
ELSEWHERE = {"export": "tests/folder", "train": "tests/train", "sample": "tests/sampling", "evaluate": "tests/evaluate"}
"""Stages that write a folder of their own or need a trained LoRA, and where that is tested."""


def is_light(part: Stage) -> bool:
    """Whether it is a step on captions alone: these have tests of their own."""
    return isinstance(part, RecordStage) and part.requirements().cpus == 0


def drawn_rows(folder: Path) -> list[Record]:
    """A drawing on white, a noisy picture and a gradient, with a border that can be cropped."""
    draw = np.random.default_rng(1)
    noisy = draw.integers(0, 255, (72, 96, 3), np.uint8)
    white = np.full((96, 80, 3), 255, np.uint8)
    white[24:70, 20:60] = (200, 40, 30)
    ramp = np.zeros((64, 64, 3), np.uint8)
    ramp[8:-8, 8:-8] = np.linspace(60, 250, 48).astype(np.uint8)[:, None, None]
    records: list[Record] = []
    for name, pixels in (("noisy", noisy), ("white", white), ("ramp", ramp)):
        path = folder / f"{name}.png"
        PillowImage.fromarray(pixels).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        image = Image(digest, str(path), pixels.shape[1], pixels.shape[0])
        records.append(Record(f"dog/{name}.png", "dog", digest, image, encoding="png", tags=("hat",)))
    return records


def environment(folder: Path) -> Env:
    return Env(folder, folder / "out", PICTURE_FILES, device="cpu", offline=True, concepts={"dog": Concept()})


def everything(executor: Executor, rows: Sequence[Record], folder: Path) -> Any:
    """What every picture stage in one pass makes of the rows, and the files that are written."""
    order = ("convert", "crop", "flip", "denoise", "upscale", "resize", "split")
    names = [*order, *(name for name in STAGES if name not in (*order, *ELSEWHERE))]
    parts = [part for name in names for part in registry.stage(name)(**OPTIONS.get(name, {})).parts()]
    chain = [
        Prepared(p, "") for p in parts if isinstance(p, RecordStage) and not is_light(p) and not p.requirements().gpus
    ]
    chain.append(Prepared(Encode(), ""))
    folder.mkdir()
    outcomes = sorted(executor.map(chain, list(enumerate(rows)), environment(folder)), key=lambda o: o.index)
    assert [o.error for o in outcomes] == [""] * len(rows)
    objects = {p.name: p.read_bytes() for p in (folder / "objects").rglob("*") if p.is_file()}
    assert len(objects) >= len(rows)
    return [o.steps for o in outcomes], objects
