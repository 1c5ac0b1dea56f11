"""Measures the review page in a browser: `python tests/bench/review_page.py [--pictures 10000] [--prepared]`.

A folder of pictures with captions of 20 tags: foreign, or prepared by a run first. Printed are the time to the first
screen, once without and once with thumbnails; frames a second while the grid is scrolled by 20, 100 and 400 pixels a
frame; the time of a bulk edit of all captions, of its undo and of the checks; and the memory of the server's process.
Targets: first screen under 1 s with thumbnails, 30 frames a second, a bulk edit of 10,000 captions under 3 s, 300 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
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
    (folder / "1_dog").mkdir(parents=True)
    for i in range(count):
        file = folder / f"1_dog/{i:05}.png"
        Image.new("RGB", (64, 64), (i % 256, i // 256 * 6 % 256, 90)).save(file)
        file.with_suffix(".txt").write_text(", ".join(["dog", *draw.sample(words, 20)]), encoding="utf-8")


def prepare(place: Path, count: int) -> Path:
    """The same pictures, prepared by a run."""
    write(place / "raw", count)
    file = place / "pipeline.yaml"
    file.write_text("input: raw\noutput: prepared\nstages: [convert, trigger, export]\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "curate.cli", "run", str(file), "--quiet"], check=True)
    return place / "prepared"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[psutil.Process, str, str]]:
    """`curate review` in a process of its own: the process, the address without and with the token."""
    command = [sys.executable, "-u", "-m", "curate.cli", "review", str(folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().rpartition(" at ")[2].strip()
        yield psutil.Process(server.pid), *address.split("/?token=")
        server.send_signal(signal.SIGINT)


def post(at: str, token: str, path: str, **values: Any) -> tuple[float, Any]:
    """Seconds of a request, and its answer."""
    headers = {"X-Curate-Token": token, "Content-Type": "application/json", "Origin": at}
    request = urllib.request.Request(f"{at}{path}", json.dumps(values).encode() if values else None, headers)
    start = time.perf_counter()
    with urllib.request.urlopen(request, timeout=300) as reply:
        answer = json.loads(reply.read())
    return time.perf_counter() - start, answer


def measure_page(browser: Any, address: str) -> None:
    """First screens and scrolling."""
    for what in ("without thumbnails", "with thumbnails", "with thumbnails"):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        start = time.perf_counter()
        page.goto(address)
        page.evaluate(READY)
        print(f"first screen {what}: {time.perf_counter() - start:.2f} s")
    for pixels in (20, 100, 400):
        rate, longest, tiles = page.evaluate(SCROLL, pixels)
        print(f"{pixels:4} pixels a frame: {rate:.0f} frames/s, longest {longest:.0f} ms, {tiles} tiles")


def measure_edits(at: str, token: str) -> None:
    """A bulk edit of every caption, and its undo."""
    seconds, index = post(at, token, "/api/index")
    print(f"index: {seconds:.2f} s")
    ids = [row["id"] for row in index["pictures"]]
    seconds, answer = post(at, token, "/api/edit", ids=ids, operation="add", tags=["moon"], preview=True)
    print(f"preview of a bulk edit of {len(answer['changes'])} captions: {seconds:.2f} s")
    seconds, answer = post(at, token, "/api/edit", ids=ids, operation="add", tags=["moon"])
    print(f"bulk edit of {len(answer['changes'])} captions: {seconds:.2f} s")
    seconds, answer = post(at, token, "/api/undo", any="")
    print(f"undo: {seconds:.2f} s ({answer['undone']})")
    seconds, answer = post(at, token, "/api/checks")
    print(f"checks: {seconds:.2f} s ({', '.join(one['check'] for one in answer['checks'])})")


def main(count: int, chromium: str, prepared: bool) -> None:
    """Prints the numbers."""
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place) / "set"
        if prepared:
            folder = prepare(Path(place), count)
        else:
            write(folder, count)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"{count} pictures, {'prepared' if prepared else 'foreign'}")
        with serving(folder) as (process, at, token):
            measure_page(browser, f"{at}/?token={token}")
            measure_edits(at, token)
            print(f"memory of the server: {process.memory_info().rss / 1e6:.0f} MB")
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--prepared", action="store_true")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "")
    given = parser.parse_args()
    main(given.pictures, given.chromium, given.prepared)
