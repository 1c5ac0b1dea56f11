"""Memory really running out: a limit on the process makes the network fall back to smaller tiles."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LIMITED = """
import logging, resource, sys
from pathlib import Path
import numpy as np, torch
from cleaners.upscale import Upscale
torch.set_num_threads(1)
logging.basicConfig(level=logging.WARNING)
picture = np.random.default_rng(0).integers(0, 256, (480, 360, 3), np.uint8)
with Upscale(sys.argv[1], tile=1024).open("cpu") as enlarge:
    whole = enlarge(picture)
    logging.warning("limit")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (300 << 20), resource.RLIM_INFINITY))
    tiled = enlarge(picture)
    print(np.abs(tiled.astype(np.int16) - whole).max())
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits on the address space are Linux's")
def test_fallback_under_a_real_limit(weights: Path):
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LIMITED, str(weights)]
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    before, after = done.stderr.split("limit", 1)
    assert "memory ran out" not in before
    # the whole takes well over 400 MB, a tile of 240 pixels under 150: where it stops between is the libraries' affair
    assert "memory ran out with tiles of 480 pixels, going on with 240" in after
    assert int(done.stdout) <= 1
