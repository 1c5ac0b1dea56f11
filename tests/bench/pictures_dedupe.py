"""Prints recall and precision of dedupe on changed copies of photos, beside imagehash, and the time of the search.

Run from the repository's root: `python tests/bench/pictures_dedupe.py [FOLDER]`. imagehash is optional.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import cv2
import numpy as np
from PIL import Image as Pil
from PIL import ImageEnhance

from curate.core.record import Image, Manifest, Record
from curate.core.stage import Env, Pixels
from curate.images import DOOR, read_picture
from curate.images.duplicates.candidates import candidates
from curate.images.duplicates.perceptual_hash import CROPS, near_pairs
from curate.stages.dedupe import Dedupe

PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "photos"


def recompressed(quality: int) -> Callable[[Pixels], Pixels]:
    def change(pixels: Pixels) -> Pixels:
        buffer = io.BytesIO()
        Pil.fromarray(pixels).save(buffer, "JPEG", quality=quality)
        return np.asarray(Pil.open(buffer))

    return change


def scaled(factor: float) -> Callable[[Pixels], Pixels]:
    return lambda p: np.asarray(cv2.resize(p, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def cut(share: float, seed: int) -> Callable[[Pixels], Pixels]:
    x, y = np.random.default_rng(seed).random(2)

    def change(pixels: Pixels) -> Pixels:
        height, width = (int(side * share) for side in pixels.shape[:2])
        top, left = int((pixels.shape[0] - height) * y), int((pixels.shape[1] - width) * x)
        return np.ascontiguousarray(pixels[top : top + height, left : left + width])

    return change


def turned(hue: int) -> Callable[[Pixels], Pixels]:
    def change(pixels: Pixels) -> Pixels:
        colours = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
        colours[..., 0] = (colours[..., 0].astype(int) + hue) % 180
        return np.asarray(cv2.cvtColor(colours, cv2.COLOR_HSV2RGB))

    return change


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "JPEG quality 30": recompressed(30),
    "half size": scaled(0.5),
    "a third": scaled(1 / 3),
    "cut to 95 %": cut(0.95, 1),
    "cut to 90 %": cut(0.90, 2),
    "cut to 80 %": cut(0.80, 3),
    "cut to 70 %": cut(0.70, 4),
    "hue turned by 20°": turned(10),
    "brightness × 1.3": lambda p: np.asarray(ImageEnhance.Brightness(Pil.fromarray(p)).enhance(1.3)),
    "warmer": lambda p: np.clip(p * np.array([1.15, 1.0, 0.85]), 0, 255).astype(np.uint8),
}

Pair = tuple[str, str]


def ours(pictures: dict[str, Pixels]) -> set[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        env = Env(root=Path(folder), output=Path(folder), door=DOOR)
        records = [env.keep(Record(key, "x", key, Image("")), pixels) for key, pixels in pictures.items()]
        first, last = Dedupe().parts()
        with first.open(env) as work:  # type: ignore[attr-defined]
            measured = work(records)
        after = last.run(Manifest(measured), env, lambda _: None)  # type: ignore[attr-defined]
    return {pair(r.key, r.facts["duplicate_of"]) for r in after if r.aside}


def pair(a: str, b: str) -> Pair:
    return (min(a, b), max(a, b))


def by_imagehash(pictures: dict[str, Pixels], name: str, distance: int) -> set[Pair]:
    import imagehash

    hashes = {key: getattr(imagehash, name)(Pil.fromarray(pixels)) for key, pixels in pictures.items()}
    return {pair(a, b) for a, b in combinations(hashes, 2) if hashes[a] - hashes[b] <= distance}


def table(files: list[Path]) -> None:
    originals = {f"{f.parent.name}/{f.name}": read_picture(f).pixels for f in files}
    finders: dict[str, Callable[[dict[str, Pixels]], set[Pair]]] = {"ours": ours}
    try:
        import imagehash  # noqa: F401

        for name, distance in (("phash", 8), ("phash", 12), ("dhash", 8), ("dhash", 12)):
            finders[f"{name} ≤ {distance}"] = lambda p, n=name, d=distance: by_imagehash(p, n, d)
    except ImportError:
        print("imagehash is not installed")
    print(f"{len(originals)} photos and a changed copy of each: recall / precision")
    print(f"{'':20}" + "".join(f"{name:>16}" for name in finders))
    for change, apply in CHANGES.items():
        copies = {f"{key}~": apply(pixels) for key, pixels in originals.items()}
        true = {pair(key, f"{key}~") for key in originals}
        cells: list[str] = []
        for find in finders.values():
            found = find({**originals, **copies})
            hits = len(found & true)
            cells.append(f"{hits / len(true):7.2f} / {hits / len(found) if found else 1:.2f}")
        print(f"{change:20}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def search() -> None:
    rng = np.random.default_rng(0)
    for count in (25_000, 50_000, 100_000, 200_000):
        hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
        times: list[str] = []
        for distance in (7, 10):
            begun = time.process_time()
            sum(len(i) for i, _ in near_pairs(hashes, hashes, distance))
            times.append(f"{time.process_time() - begun:6.2f} s at {distance} bits")
        print(f"{count:8} hashes against each other: {', '.join(times)} (one core)", flush=True)
    for count in (25_000, 100_000):
        whole = rng.integers(0, 2**63, count, dtype=np.uint64).tolist()
        parts = [rng.integers(0, 2**63, len(CROPS), dtype=np.uint64) for _ in range(count)]
        begun = time.process_time()
        candidates(whole, parts, 10)
        took = time.process_time() - begun
        print(f"{count:8} pictures and {len(CROPS)} parts of each: {took:6.2f} s at 10 bits (one core)", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=PHOTOS)
    table(sorted(parser.parse_args().folder.rglob("*.jpg")))
    search()
