"""Pictures, a reader of pictures, the tiny base model and a way to train, for the trainer's tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from curate.core.events import Event, Note, Phase
from curate.core.record import Manifest
from curate.core.stage import Env
from curate.errors import PictureError
from curate.stages.train import Train

SIZES = ((160, 160), (192, 128), (128, 200))
CONCEPTS = {"2_zwx dog": (200, 60, 40), "1_blue robe": (30, 60, 200)}


class PlainPictures:
    """Decodes with Pillow alone."""

    def read(self, path: Path) -> Any:
        try:
            with Image.open(path) as image:
                return np.asarray(image.convert("RGB"))
        except OSError as error:
            raise PictureError(str(error)) from error

    def write(self, pixels: Any, path: Path, encoding: str) -> None:
        raise NotImplementedError


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURATE_CACHE", str(place))
        yield place


def draw_folder(root: Path, each: int = 2) -> Path:
    """A prepared folder with two concepts and three shapes of picture."""
    for number, (name, colour) in enumerate(CONCEPTS.items()):
        place = root / name
        place.mkdir(parents=True)
        for i in range(each):
            draw = random.Random(number * 100 + i)
            image = Image.new("RGB", SIZES[i % 3], (240, 240, 230))
            x, y = draw.randrange(20, 60), draw.randrange(20, 60)
            ImageDraw.Draw(image).ellipse((x, y, x + 70, y + 60), fill=colour)
            image.save(place / f"{i}.png")
            (place / f"{i}.txt").write_text(f"{name.split('_')[1]}, simple background, shape {i}", encoding="utf-8")
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_folder(tmp_path / "prepared")


def env_of(folder: Path, stop: Callable[[], bool] | None = None) -> Env:
    return Env(root=folder, output=folder, pictures=PlainPictures(), device="cpu", offline=True, stop=stop)


def run(
    folder: Path, stop: Callable[[], bool] | None = None, *, stop_at: int | None = None, **options: Any
) -> tuple[Path, list[Event]]:
    """Trains; the LoRA's path and all events. `stop_at` stops before the next step, in runs of one batch a step."""
    events: list[Event] = []
    asked = 0

    def before_step() -> bool:
        nonlocal asked
        asked += 1
        return asked > (stop_at or 0)

    def tell(event: Event) -> None:
        nonlocal asked
        events.append(event)
        if isinstance(event, (Phase, Note)):  # the steps have not begun; notes are the last before them
            asked = 0 if isinstance(event, Note) else -1_000

    stage = Train.build({"base": "tiny", "save_precision": "fp32", **options})
    stage.run(Manifest(), env_of(folder, stop if stop_at is None else before_step), tell)
    files = sorted((folder / "lora").glob("*.safetensors"), key=lambda p: p.stat().st_mtime_ns)
    return files[-1], events
