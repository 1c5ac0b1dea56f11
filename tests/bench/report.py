"""Prints how large the report of a folder is, how long it takes to write, and how fast a browser opens it.

    python tests/bench/report.py [--pictures 5000] [--side 512] [--chromium /usr/bin/chromium]

The folder holds drawn pictures with 20 of 2,000 tags each. Goal: a report of 5,000 pictures opens in under 2 s, from a
file and without its first pictures in any cache. It is measured until the first page of pictures can be filtered, and
until a filter shows its result. Needs playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pil

from curate.core.events import RunFinished, RunStarted, Scanned
from curate.core.record import Image, Manifest, Record
from curate.core.scores import Scores
from curate.drive.report_page import Pictures, write_report
from curate.report.summary import summarise
from curate.report.tally import Tally


def draw(folder: Path, count: int, side: int) -> Manifest:
    """Pictures of two concepts with captions and scores; every hundredth is set aside as a duplicate."""
    rng, chance = np.random.default_rng(0), random.Random(0)
    tags = [f"tag_{number}" for number in range(2000)]
    folder.mkdir(parents=True)
    records: list[Record] = []
    for number in range(count):
        small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        path = folder / f"{number:05}.png"
        Pil.fromarray(small).resize((side, side), Pil.Resampling.BICUBIC).save(path, compress_level=1)
        own = ["zwx dog", *chance.choices(tags, weights=range(2000, 0, -1), k=20)]
        scores = Scores.pack({"wd": {tag: (round(chance.random(), 2), "general") for tag in own[1:]}})
        image, concept = Image(f"d{number}", str(path), side, side), "dog" if number % 3 else "robe"
        record = Record(f"dog/{path.name}", concept, f"o{number}", image, trigger=("zwx dog",), scores=scores)
        record = dataclasses.replace(record, tags=tuple(dict.fromkeys(own)), notes=("prune: a note",))
        if number % 100 == 99:
            facts = {"duplicate": "near", "duplicate_of": records[-1].key, "likeness": 0.95}
            record = dataclasses.replace(record, aside="near duplicate", facts=facts)
        records.append(record)
    return Manifest(records)


def figures_of(manifest: Manifest) -> dict[str, Any]:
    """The summary of a run that made these records."""
    tally = Tally()
    count = len(manifest)
    aside = count - len(manifest.present)
    for event in (
        RunStarted("prepared", ()),
        Scanned(count, {"dog": count}),
        RunFinished("done", count, count - aside, aside, 60.0),
    ):
        tally.tell(event)
    return summarise(tally, manifest, {})


def opened(page: Path, chromium: str, times: int) -> dict[str, float]:
    """Medians in seconds, each in a browser that was just started: shown, ready, and a filter's result."""
    from playwright.sync_api import sync_playwright

    rows: list[tuple[float, float, float]] = []
    with sync_playwright() as play:
        for _ in range(times):
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            begun = time.perf_counter()
            tab.goto(page.as_uri(), wait_until="commit")
            tab.wait_for_selector("h1")
            shown = time.perf_counter() - begun
            tab.wait_for_selector("#filters:not([hidden])")
            tab.wait_for_load_state("load")
            ready = time.perf_counter() - begun
            begun = time.perf_counter()
            tab.fill("input[name=tag]", "tag 5, -tag 6")
            tab.wait_for_function("!document.getElementById('shown-count').textContent.startsWith('4,')")
            rows.append((shown, ready, time.perf_counter() - begun))
            browser.close()
    names = ("heading is there", "open, with the first pictures", "a filter of two tags")
    return {name: statistics.median(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def main() -> None:
    """Draws the folder, writes the report twice, opens it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pictures", type=int, default=5000)
    options.add_argument("--side", type=int, default=512)
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--chromium", default=shutil.which("chromium") or "")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "prepared"
        manifest = draw(folder / "1_zwx dog", given.pictures, given.side)
        figures, out = figures_of(manifest), folder / ".curate" / "report.html"
        pictures = Pictures(lambda record: Path(record.image.path), lambda _: None)
        for name in ("written", "written again"):
            begun, cpu = time.perf_counter(), time.process_time()
            write_report(out, manifest, figures, pictures, {}, folder)
            wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
            print(f"{name:<32} {wall:8.2f} s, {cpu:.2f} of the CPU", flush=True)
        beside = sum(path.stat().st_size for path in out.parent.rglob("*.jpg"))
        print(f"{'the page':<32} {out.stat().st_size / 1e6:8.2f} MB")
        print(f"{'small pictures beside it':<32} {beside / 1e6:8.2f} MB")
        for name, seconds in opened(out, given.chromium, given.times).items():
            print(f"{name:<32} {seconds:8.2f} s")


if __name__ == "__main__":
    main()
