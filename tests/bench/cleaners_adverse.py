"""Time of method C beside the original program's way and a plain reference: `python -m tests.bench.cleaners_adverse`.

The original program is 64 calls of cv2.bilateralFilter and 4 of cv2.ximgproc.guidedFilter; the latter only where
opencv-contrib is installed instead of opencv, else the filter as its paper writes it stands in.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from cleaners.adverse import Adverse
from tests.bench.cleaners_variants import Picture, crop, sources, white
from tests.cleaners.reference import plain, plain_guided

_PLAIN = 128


def original(picture: Picture) -> Any:
    """The original program's result before it cuts the fractions off."""
    guide = smooth = picture.astype(np.float32)
    for _ in range(64):
        smooth = np.asarray(cv2.bilateralFilter(smooth, 5, 8, 8))
    contrib = getattr(cv2, "ximgproc", None)
    for _ in range(4):
        smooth = contrib.guidedFilter(guide, smooth, 4, 16) if contrib else plain_guided(guide, smooth, 4, 16.0)
    return np.clip(smooth, 0, 255)


def bilateral(picture: Picture) -> Any:
    """Its 64 bilateral passes alone."""
    smooth = picture.astype(np.float32)
    for _ in range(64):
        smooth = np.asarray(cv2.bilateralFilter(smooth, 5, 8, 8))
    return smooth


def main() -> None:
    """CPU seconds per megapixel of each way, its ratio to ours on the CPU, and the largest difference to ours.

    CPU seconds of all threads, so that what else the machine does hardly matters; of a GPU the seconds on the clock.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=12, help="take every n-th picture")
    parser.add_argument("--threads", type=int, default=1, help="of OpenCV; curate works on a picture on each core")
    given = parser.parse_args()
    cv2.setNumThreads(given.threads)
    pictures = [white(crop(image), 8, name) for _, name, image in sources(given.every)]
    seconds: dict[str, float] = {}
    worst: dict[str, float] = {}

    def measure(
        name: str, work: Callable[[Picture], Any], shown: list[Picture], ours: Callable[[Picture], Picture]
    ) -> None:
        now = time.perf_counter if "CUDA" in name else time.process_time
        found, begin = [], now()
        for picture in shown:
            found.append(work(picture))
        seconds[name] = (now() - begin) / sum(p.size / 3e6 for p in shown)
        worst[name] = max(
            float(np.abs(ours(p) - f.astype(np.float64)).max()) for p, f in zip(shown, found, strict=True)
        )

    with Adverse().open("cpu") as ours:
        measure("ours, CPU", ours, pictures, ours)
        measure("64 bilateral passes alone (most of the original program)", bilateral, pictures, ours)
        guided = "contrib" if hasattr(cv2, "ximgproc") else "the paper's"
        measure(f"original program, {guided} guided filter", original, pictures, ours)
        measure(f"plain reference in NumPy ({_PLAIN}²)", plain, [p[:_PLAIN, :_PLAIN] for p in pictures], ours)
        if _cuda():
            with Adverse().open("cuda") as gpu:
                gpu(pictures[0])
                measure("ours, CUDA", gpu, pictures, ours)
    print(f"{len(pictures)} pictures with ±8/255 of white noise, {given.threads} OpenCV thread(s)\n")
    print("| way | CPU s per megapixel | times ours | largest difference, of 255 |\n| --- | --- | --- | --- |")
    for name, found in seconds.items():
        apart = "-" if "alone" in name else f"{worst[name]:.2f}"
        print(f"| {name} | {found:.2f} | {found / seconds['ours, CPU']:.2f} | {apart} |")


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    main()
