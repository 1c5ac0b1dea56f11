"""Prints what dedupe finds and keeps of each kind, its recall beside imagehash, and the time of the search.

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
from curate.images import PICTURE_FILES, read_picture
from curate.images.duplicates.candidates import candidates
from curate.images.duplicates.perceptual_hash import CROPS, near_pairs
from curate.stages.dedupe import Dedupe
from tests.images.drawings import COLORS, EXPRESSIONS, TEXTS, face, page, shirt

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


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "JPEG quality 30": recompressed(30),
    "half size": scaled(0.5),
    "a third": scaled(1 / 3),
    "cut to 95 %": cut(0.95, 1),
    "cut to 90 %": cut(0.90, 2),
    "cut to 80 %": cut(0.80, 3),
    "cut to 70 %": cut(0.70, 4),
    "brightness × 1.3": lambda p: np.asarray(ImageEnhance.Brightness(Pil.fromarray(p)).enhance(1.3)),
    "warmer": lambda p: np.clip(p * np.array([1.15, 1.0, 0.85]), 0, 255).astype(np.uint8),
}

Pair = tuple[str, str]


def ours(pictures: dict[str, Pixels]) -> set[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        env = Env(root=Path(folder), output=Path(folder), pictures=PICTURE_FILES)
        records = [env.keep(Record(key, "x", key, Image("")), pixels) for key, pixels in pictures.items()]
        first, *rest = Dedupe().parts()
        with first.open(env) as work:  # type: ignore[attr-defined]
            measured = work(records)
        after = Manifest(measured)
        for step in rest:
            after = step.run(after, env, lambda _: None)  # type: ignore[attr-defined]
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


SPRITES = PHOTOS.parent / "sprites"
# the limits were chosen on these; the tables show the others
TUNED_ON = {"dog", "cat2", "vase", "rc_car", "eileen"}
AGAIN: dict[str, Callable[[Pixels], Pixels]] = {
    "re-encoded": recompressed(60),
    "strongly compressed": recompressed(30),
    "half size": scaled(0.5),
    "half again as large": scaled(1.5),
    "cropped by a tenth": cut(0.9, 2),
    "cropped, scaled, re-encoded": lambda p: recompressed(75)(scaled(0.8)(cut(0.93, 5)(p))),
    "white noise": lambda p: np.clip(p + np.random.default_rng(0).choice([-8, 8], p.shape), 0, 255).astype(np.uint8),
    "warmer": lambda p: np.clip(p * np.array([1.15, 1.0, 0.85]), 0, 255).astype(np.uint8),
}


def kinds() -> None:
    """Of each kind: sets of different pictures and a copy of each, saved again in each way."""
    groups = {
        "photos": [_photos()],
        "sprites, expressions and clothes": [_sprites()],
        "drawn faces, expressions": [
            [face(s, e, height=(640, 480, 900)[s % 3], share=(0.4, 0.25, 0.6)[s // 3 % 3]) for e in EXPRESSIONS]
            for s in range(50, 53)
        ],
        "garments, colors": [[shirt(s, c, height=400) for c in COLORS.values()] for s in range(50, 52)],
        "pages, words": [[page(s, text) for text in TEXTS] for s in range(50, 54)],
    }
    print(f"{'':34}" + "".join(f"{name:>30}" for name in AGAIN) + "   (recall / precision)")
    for kind, sets in groups.items():
        print(f"{kind:34}" + "".join(f"{_rates(sets, change):>30}" for change in AGAIN.values()), flush=True)


def _rates(sets: list[list[Pixels]], change: Callable[[Pixels], Pixels]) -> str:
    hits = copies = found = 0
    for pictures in sets:
        shown = {f"{n}": p for n, p in enumerate(pictures)}
        pairs = ours(shown | {f"{n}~": change(p) for n, p in enumerate(pictures)})
        true = {pair(n, f"{n}~") for n in shown}
        hits, copies, found = hits + len(pairs & true), copies + len(true), found + len(pairs)
    return f"{hits / copies:.2f} / {hits / found if found else 1:.2f} of {copies}"


def _photos() -> list[Pixels]:
    files = [f for f in sorted(PHOTOS.rglob("*.jpg")) if f.parent.name not in TUNED_ON]
    return [scaled(640 / max(p.shape[:2]))(p) for p in (read_picture(f).pixels for f in files)]


def _sprites() -> list[Pixels]:
    files = [f for f in sorted(SPRITES.rglob("*.png")) if f.parent.name not in TUNED_ON | {"backgrounds"}]
    return [read_picture(f).pixels for f in files]


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
        whole = rng.integers(0, 2**63, count, dtype=np.uint64)
        parts = [(n, rng.integers(0, 2**63, len(CROPS), dtype=np.uint64)) for n in range(count)]
        begun = time.process_time()
        candidates(whole, parts, 10)
        took = time.process_time() - begun
        print(f"{count:8} pictures and {len(CROPS)} parts of each: {took:6.2f} s at 10 bits (one core)", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=PHOTOS)
    files = sorted(parser.parse_args().folder.rglob("*.jpg"))
    kinds()
    table(files)
    search()
