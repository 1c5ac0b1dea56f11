"""kill -9 at any moment, then the same command again: the same bytes as a run that was never killed."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import STAGES, Curate, Start, pipeline, tree

TRAIN = (
    STAGES + "  - train: {base: tiny, algo: lokr, factor: 8, steps: 12, save_state_every: 4, save_precision: fp32}\n"
)
KILLS = 20
ROUNDS = 4


@pytest.mark.slow
def test_kill_and_rerun_gives_the_same_bytes(tmp_path: Path, raw: Path, curate: Curate, start: Start) -> None:
    begun = time.monotonic()
    whole = tmp_path / "never killed"
    whole.mkdir()
    curate("run", pipeline(whole, raw, stages=TRAIN))
    seconds = time.monotonic() - begun
    expected = tree(whole / "prepared")
    assert [name for name in expected if name.endswith(".safetensors")]

    draw = random.Random(7)
    for round_ in range(ROUNDS):
        folder = tmp_path / f"killed {round_}"
        folder.mkdir()
        file = pipeline(folder, raw, stages=TRAIN)
        for _ in range(KILLS // ROUNDS):
            process = start("run", file, cwd=folder, out=folder / "said")
            try:
                process.wait(draw.uniform(0.05, seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        curate("run", file)
        found = tree(folder / "prepared")
        assert found.keys() == expected.keys()
        assert [name for name in found if found[name] != expected[name]] == []
