"""Foreign folders for the checks: a good one of tiny pictures, and what is changed in it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from curate.checks import CheckResult, Finding
from curate.drive.check import CheckOptions, check

SIDE = 128
TEXTS = {
    "10_zwx dog": ("sitting, grass, red collar", "running, beach, wet fur", "sleeping, sofa, night", "standing, snow"),
    "10_qqx cat": ("black fur, window", "green eyes, close view", "yawning, garden", "paws, wooden table, morning"),
}


def draw(path: Path, seed: int, size: tuple[int, int] = (SIDE, SIDE)) -> Path:
    """A picture like no other: large blurred spots of color."""
    spots = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(cv2.resize(spots, size, interpolation=cv2.INTER_CUBIC)).save(path)
    return path


def good(root: Path) -> Path:
    """Two concepts of four pictures with captions, in which nothing is wrong."""
    for number, (folder, texts) in enumerate(TEXTS.items()):
        trigger = folder.partition("_")[2]
        for n, text in enumerate(texts):
            picture = draw(root / folder / f"{'abcd'[n]}.png", 10 * number + n)
            picture.with_suffix(".txt").write_text(f"{trigger}, {text}", encoding="utf-8")
    return root


def checked(target: Path, **options: object) -> CheckResult:
    given = {"values": {"base": "tiny"}, "vocabulary": "none", "quiet": True, **options}
    return check(CheckOptions(target, **given))  # type: ignore[arg-type]


def the(result: CheckResult, name: str) -> Finding:
    """The finding of that name."""
    found = {one.check: one for one in result.findings}
    assert name in found, f"no {name} among {list(found)}"
    return found[name]


def files(finding: Finding) -> list[str]:
    return [place.file for place in finding.places]
