"""Measures the review page in a browser: `python tests/bench/review_page.py [COUNT] [CHROMIUM]`.

A folder of COUNT pictures (10,000 unless given) with captions of 20 tags, none prepared by curate. Printed are the time
to the first screen, once without and once with thumbnails, and frames a second while the grid is scrolled by 20, 100
and 400 pixels a frame. Targets: first screen under 1 s with thumbnails, 30 frames a second.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

READY = """new Promise((done) => (function look() {
  const images = [...document.querySelectorAll('.tile:not([hidden]) img')];
  const shown = images.filter((one) => one.complete && one.naturalWidth);
  if (shown.length >= 15) done(); else requestAnimationFrame(look);
})())"""
SCROLL = """(pixels) => new Promise((done) => {
  const box = document.getElementById('grid');
  const start = performance.now();
  let [frames, last, longest] = [0, start, 0];
  requestAnimationFrame(function frame(now) {
    frames += 1;
    longest = Math.max(longest, now - last);
    last = now;
    box.scrollTop += pixels;
    if (now - start < 3000) requestAnimationFrame(frame);
    else done([1000 * frames / (now - start), longest, document.querySelectorAll('.tile').length]);
  });
})"""


def write(folder: Path, count: int) -> None:
    """Small pictures of one color each, and captions."""
    draw = random.Random(0)
    words = [f"tag {i}" for i in range(300)]
    (folder / "1_dog").mkdir()
    for i in range(count):
        file = folder / f"1_dog/{i:05}.png"
        Image.new("RGB", (64, 64), (i % 256, i // 256 * 6 % 256, 90)).save(file)
        file.with_suffix(".txt").write_text(", ".join(["dog", *draw.sample(words, 20)]), encoding="utf-8")


def main(count: int, chromium: str) -> None:
    """Prints the numbers."""
    from tests.review.helpers import TOKEN, site

    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        write(Path(place), count)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with site(Path(place)) as served:
            for what in ("without thumbnails", "with thumbnails"):
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                start = time.perf_counter()
                page.goto(f"http://127.0.0.1:{served.port}/?token={TOKEN}")
                page.evaluate(READY)
                print(f"{count} pictures, first screen {what}: {time.perf_counter() - start:.2f} s")
            for pixels in (20, 100, 400):
                rate, longest, tiles = page.evaluate(SCROLL, pixels)
                print(f"{pixels:4} pixels a frame: {rate:.0f} frames/s, longest {longest:.0f} ms, {tiles} tiles")
        browser.close()


if __name__ == "__main__":
    browser = sys.argv[2] if len(sys.argv) > 2 else shutil.which("chromium") or ""
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, browser)
