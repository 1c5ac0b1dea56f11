"""Memory really running out: a limit on the process makes the network fall back to smaller tiles."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cleaners.device import kept_memory
from cleaners.upscale import Upscale

ROOT = Path(__file__).parents[2]

LIMITED = """
import logging, resource, sys
from pathlib import Path
import numpy as np, torch
from cleaners.upscale import Upscale
torch.set_num_threads(1)
logging.basicConfig(level=logging.WARNING)
picture = np.load(sys.argv[2])
with Upscale(sys.argv[1], tile=1024).open("cpu") as enlarge:
    enlarge(picture[:16, :16])
    logging.warning("limit")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (300 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    np.save(sys.argv[3], enlarge(picture))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits on the address space are Linux's")
def test_fallback_under_a_real_limit(weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    picture = np.random.default_rng(0).integers(0, 256, (480, 360, 3), np.uint8)
    np.save(tmp_path / "picture.npy", picture)
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LIMITED, str(weights), str(tmp_path / "picture.npy"), str(tmp_path / "tiled.npy")]
    done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    before, after = done.stderr.split("limit", 1)
    assert "memory ran out" not in before
    # the whole takes well over 400 MB, a tile of 240 pixels under 150: where it stops between is the libraries' affair
    assert "memory ran out with tiles of 480 pixels, going on with 240" in after
    with caplog.at_level(logging.WARNING), Upscale(str(weights), tile=1024).open("cpu") as enlarge:
        whole = enlarge(picture)
    assert "memory ran out" not in caplog.text
    assert np.abs(np.load(tmp_path / "tiled.npy").astype(np.int16) - whole).max() <= 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system's allocator is not glibc's")
def test_memory_stays_with_the_process_only_while_a_network_is_open():
    import resource

    import torch

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            torch.ones(16 << 20)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with kept_memory(torch.device("cpu")):
        faults()
        kept = faults()
    assert faults() > 4 * max(1, kept)
