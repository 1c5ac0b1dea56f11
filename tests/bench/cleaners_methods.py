"""What each method does to clean and perturbed pictures: `python -m tests.bench.cleaners_methods [--train STEPS]`.

Methods A and B want a network: a published file by `--model`, or a small one trained on pictures that are not shown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from cleaners.adverse import Adverse
from cleaners.down_up import DownUp
from cleaners.measures.difference import psnr, ssim
from cleaners.measures.noise import signs
from cleaners.upscale import Upscale, resized
from curate.stages.denoise import Denoise, worse
from tests.bench.cleaners_network import train
from tests.bench.cleaners_variants import PERTURBED, Picture, crop, jpeg, sources

ADVERSE, DEFAULT = "C adverse", "the stage's default"


def decided(picture: Picture, cleaned: Picture) -> Picture:
    """What the stage denoise keeps with its default options: method C where it suspects noise and its guard agrees."""
    first = signs(picture)
    options = Denoise()
    if first.score < options.threshold:
        return picture
    change = 255 * 10 ** (-min(99.0, psnr(picture, cleaned)) / 20)
    return picture if worse(first, signs(cleaned).score, change, options) else cleaned


def methods(model: str) -> dict[str, Any]:
    """Cleaners by name; networks only where a model is given, plain interpolation besides."""
    found: dict[str, Any] = {
        ADVERSE: Adverse(),
        "B down-up 1/2, lanczos": DownUp("lanczos", 0.5),
        "B down-up 3/4, lanczos": DownUp("lanczos", 0.75),
    }
    if model:
        found["A upscale"] = Upscale(model, 2)
        found["B down-up 1/2"] = DownUp(model, 0.5)
        found["B down-up 3/4"] = DownUp(model, 0.75)
    return found


def compared(clean: Picture, other: Picture) -> tuple[float, float]:
    """PSNR (equal pictures as 99 dB) and SSIM to the clean picture at its size."""
    same = resized(other, clean.shape[1], clean.shape[0])
    return min(99.0, psnr(clean, same)), ssim(clean, same)


def main() -> None:
    """Prints the mean over the pictures before and after each method, and its time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=6, help="take every n-th picture")
    parser.add_argument("--model", default="", help="weights or graph for methods A and B")
    parser.add_argument("--train", type=int, default=0, metavar="STEPS", help="train a small network for them")
    given = parser.parse_args()
    results: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        if given.train:
            given.model = str(Path(stack.enter_context(tempfile.TemporaryDirectory()), "trained.pth"))
            took = train(Path(given.model), [name for _, name, _ in sources(given.every)], given.train)
            print(
                f"A and B by a Compact network trained for {given.train} steps in {took:.0f} s on other photos\n",
                flush=True,
            )
        opened = {name: stack.enter_context(cleaner.open("auto")) for name, cleaner in methods(given.model).items()}
        for _, name, image in sources(given.every):
            clean = crop(image)
            cases: dict[str, Picture] = {"none": clean}
            cases |= {f"{p} ±{e}": perturb(clean, e, name) for p, perturb in PERTURBED.items() for e in (4, 8, 16)}
            cases |= {f"white ±{e}, jpeg 90": jpeg(cases[f"white ±{e}"], 90) for e in (8, 16)}
            for case, picture in cases.items():
                before = compared(clean, picture)
                for method, work in opened.items():
                    begin = time.perf_counter()
                    after = work(picture)
                    seconds[method].append((time.perf_counter() - begin) / (picture.size / 3e6))
                    results[method, case].append((*before, *compared(clean, after)))
                    if method == ADVERSE:
                        results[DEFAULT, case].append((*before, *compared(clean, decided(picture, after))))
    print("| method | perturbation | PSNR before | after | SSIM before | after | better in | worse in |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for (method, case), rows in results.items():
        p0, s0, p1, s1 = np.mean(rows, axis=0)
        better, worst = (np.mean([sign * (row[2] - row[0]) > 0 for row in rows]) for sign in (1, -1))
        print(f"| {method} | {case} | {p0:.1f} | {p1:.1f} | {s0:.3f} | {s1:.3f} | {better:.0%} | {worst:.0%} |")
    print("\n| method | seconds per megapixel |\n| --- | --- |")
    for method, times in seconds.items():
        print(f"| {method} | {np.mean(times):.2f} |")


if __name__ == "__main__":
    main()
