"""Time and memory of a full-size ESRGAN network by tile size: `python -m tests.bench.cleaners_upscale [--device cuda]`.

`--plain` adds a row for each without memory that is kept between layers.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cleaners.upscale import Upscale


def measure(weights: str, side: int, tile: int, device: str, plain: bool) -> None:
    """Enlarges one picture in this process and prints a table row."""
    import torch

    from cleaners.upscalers import torch_network

    if plain:
        torch_network.KEPT = 0

    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    with Upscale(weights, tile=tile).open(device) as enlarge:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.perf_counter()
        enlarge(picture)
        seconds = time.perf_counter() - begin
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if torch.cuda.is_available() and device != "cpu":
        used = torch.cuda.max_memory_allocated() / 2**20
    how = ", memory not kept" if plain else ""
    print(f"| {side}×{side} | {tile or 'auto'}{how} | {seconds:.1f} s | {used:.0f} MiB |", flush=True)


def main() -> None:
    """One process for each size and tile, so that memory peaks do not hide each other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--cases", nargs="*", default=["192:112", "192:128", "192:160", "192:0", "768:0"], help="side:tile"
    )
    parser.add_argument("--plain", action="store_true", help="each also without memory kept between layers")
    parser.add_argument("--weights", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.weights:
        side, tile = map(int, given.cases[0].split(":"))
        measure(given.weights, side, tile, given.device, given.plain)
        return
    import torch

    torch.manual_seed(0)
    network = importlib.import_module("spandrel.architectures.ESRGAN.__arch.RRDB").RRDBNet()
    print("| picture | tile | time | memory |\n| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x4.pth"
        torch.save(network.state_dict(), path)
        for case in given.cases:
            command = [
                sys.executable,
                "-m",
                "tests.bench.cleaners_upscale",
                "--weights",
                str(path),
                "--device",
                given.device,
            ]
            for more in ((), ("--plain",)) if given.plain else ((),):
                subprocess.run([*command, "--cases", case, *more], check=True)


if __name__ == "__main__":
    main()
