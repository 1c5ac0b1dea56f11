"""Loops that a script would hold, to measure preparation against; as programs: `loops.py NAME FOLDER OUT`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SIDE = 1024


def pillow_loop(files: Sequence[Path], out: Path) -> None:
    """(a): one thread."""
    from PIL import Image

    for i, path in enumerate(files):
        with Image.open(path) as image:
            small = image.convert("RGB")
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        small.save(out / f"{i}.png", compress_level=1)


def opencv_loop(files: Sequence[Path], out: Path) -> None:
    """(b): two threads; no profile, orientation or alpha."""
    import cv2

    cv2.setNumThreads(1)
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):
        settings += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]

    def one(item: tuple[int, Path]) -> None:
        image = cv2.imread(str(item[1]))
        assert image is not None
        height, width = image.shape[:2]
        factor = SIDE / max(height, width)
        if factor < 1:
            image = cv2.resize(image, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(out / f"{item[0]}.png"), image, settings)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(one, enumerate(files)))


def vips_loop(files: Sequence[Path], out: Path) -> None:
    """(c): two threads; upright and by profile."""
    import pyvips

    def one(item: tuple[int, Path]) -> None:
        image = pyvips.Image.thumbnail(str(item[1]), SIDE, height=SIDE, size="down", output_profile="srgb")
        image.pngsave(str(out / f"{item[0]}.png"), compression=1, filter="up", keep="none")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(one, enumerate(files)))


LOOPS: dict[str, Callable[[Sequence[Path], Path], None]] = {
    "(a) Pillow, one thread": pillow_loop,
    "(b) OpenCV, 2 threads": opencv_loop,
    "(c) libvips, 2 threads": vips_loop,
}


def pictures(folder: Path) -> list[Path]:
    """Those below the folder, in order."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))


if __name__ == "__main__":
    LOOPS[sys.argv[1]](pictures(Path(sys.argv[2])), Path(sys.argv[3]))
