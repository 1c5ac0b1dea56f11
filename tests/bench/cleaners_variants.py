"""Untouched and perturbed variants of real pictures, for measuring detection and cleaning."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
DATA = Path(__file__).parents[2] / "../shared/data"
SIDE = 512


def flat(image: Image.Image) -> Image.Image:
    """On white where it has transparency."""
    if image.mode in ("RGBA", "LA", "P"):
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def line_art(seed: int) -> Image.Image:
    """Ink lines, flat fills and hatching, drawn at four times the size and scaled down."""
    import cv2

    dice = np.random.default_rng(seed)
    side = SIDE * 4
    canvas = np.full((side, side, 3), 255 if seed % 3 else 244, np.uint8)
    for _ in range(6):
        points = dice.integers(0, side, (int(dice.integers(3, 7)), 1, 2)).astype(np.int32)
        if seed % 2:
            cv2.fillPoly(canvas, [points], dice.integers(60, 256, 3).tolist())
        cv2.polylines(canvas, [points], True, (20, 20, 24), int(dice.integers(8, 24)), cv2.LINE_AA)
    for _ in range(14):
        centre, axes = dice.integers(0, side, 2).tolist(), dice.integers(40, side // 3, 2).tolist()
        angle, begin, span = dice.integers(0, 360, 3).tolist()
        cv2.ellipse(
            canvas, centre, axes, angle, begin, begin + span, (16, 16, 16), int(dice.integers(6, 20)), cv2.LINE_AA
        )
    for _ in range(int(dice.integers(0, 5))):
        x, y = dice.integers(0, side - 500, 2).tolist()
        for step in range(0, 480, 24):
            cv2.line(canvas, (x + step, y), (x + step - 120, y + 480), (40, 40, 40), 6, cv2.LINE_AA)
    return Image.fromarray(canvas).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def sources(every: int = 1) -> Iterator[tuple[str, str, Image.Image]]:
    """(kind, name, whole picture) of photos, sprites and line art; `every` thins them out."""
    files = [("photo", path) for path in sorted((DATA / "photos").glob("*/*.jpg"))]
    files += [("sprite", path) for path in sorted((DATA / "sprites").glob("*/*.*"))]
    for kind, path in files[::every]:
        with Image.open(path) as image:
            yield kind, f"{path.parent.name}/{path.name}", flat(image)
    for seed in range(0, 14, every):
        yield "line art", f"drawn {seed}", line_art(seed)


def crop(image: Image.Image) -> Picture:
    """The middle of the picture, at most 512×512, at its own resolution."""
    width, height = image.size
    left, top = max(0, (width - SIDE) // 2), max(0, (height - SIDE) // 2)
    return np.asarray(image.crop((left, top, left + min(SIDE, width), top + min(SIDE, height))))


def jpeg(picture: Picture, quality: int, chroma: str = "4:2:0") -> Picture:
    """Through a JPEG file and back."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=chroma)
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def scaled(image: Image.Image, factor: float, kind: Image.Resampling = Image.Resampling.LANCZOS) -> Picture:
    """The picture resized, then its middle."""
    return crop(image.resize((max(16, round(image.width * factor)), max(16, round(image.height * factor))), kind))


UNTOUCHED: dict[str, Callable[[Image.Image], Picture]] = {
    "as it is": crop,
    "jpeg 60": lambda image: jpeg(crop(image), 60),
    "jpeg 75": lambda image: jpeg(crop(image), 75),
    "jpeg 85": lambda image: jpeg(crop(image), 85),
    "jpeg 95 4:4:4": lambda image: jpeg(crop(image), 95, "4:4:4"),
    "half": lambda image: scaled(image, 0.5),
    "three quarters, bicubic": lambda image: scaled(image, 0.75, Image.Resampling.BICUBIC),
    "one and a half": lambda image: scaled(image, 1.5),
    "half, jpeg 85": lambda image: jpeg(scaled(image, 0.5), 85),
    "a third, area": lambda image: scaled(image, 1 / 3, Image.Resampling.BOX),
}


def dice_of(name: str) -> np.random.Generator:
    """Random numbers that belong to the name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def add(picture: Picture, noise: NDArray[Any]) -> Picture:
    """The sum, rounded and cut to uint8."""
    return np.clip(np.rint(picture.astype(np.float32) + noise), 0, 255).astype(np.uint8)


def white(picture: Picture, eps: int, name: str = "") -> Picture:
    """±eps on every value of every channel, at random."""
    return add(picture, dice_of(name).choice([-eps, eps], picture.shape))


def smooth(picture: Picture, eps: int, name: str = "") -> Picture:
    """Gaussian noise blurred with sigma 2, at most ±eps (three standard deviations)."""
    import cv2

    noise = dice_of(name).standard_normal(picture.shape).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2)
    return add(picture, np.clip(noise / noise.std() / 3, -1, 1) * eps)


@cache
def _network() -> Any:
    """A small convolutional encoder with seeded weights, the victim of the attack."""
    import torch

    torch.manual_seed(0)
    layers: list[Any] = []
    for before, after in ((3, 24), (24, 32), (32, 48)):
        layers += [torch.nn.Conv2d(before, after, 3, 2, 1), torch.nn.SiLU()]
    return torch.nn.Sequential(*layers).eval()


def pgd(picture: Picture, eps: int, name: str = "", steps: int = 10) -> Picture:
    """Projected gradient ascent on the distance of the encoder's features, within ±eps."""
    import torch

    network = _network()
    clean = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        features = network(clean)
    start = torch.from_numpy(dice_of(name).uniform(-1, 1, tuple(clean.shape)).astype(np.float32))
    delta = start * eps / 255
    for _ in range(steps):
        delta.requires_grad_(True)
        loss = (network((clean + delta).clamp(0, 1)) - features).square().mean()
        (gradient,) = torch.autograd.grad(loss, delta)
        delta = (delta.detach() + gradient.sign() * eps / 255 / 4).clamp(-eps / 255, eps / 255)
    return add(picture, delta[0].permute(1, 2, 0).numpy() * 255)


PERTURBED: dict[str, Callable[[Picture, int, str], Picture]] = {"white": white, "smooth": smooth, "pgd": pgd}
