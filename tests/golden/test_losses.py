"""The first losses of training: a change of data order, noise, objective, adapters or optimizer shows here.

    CURATE_GOLDEN=write python -m pytest tests/golden/test_losses.py

writes losses.json anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from curate.core.events import TrainStep
from tests.train.conftest import draw_folder, run

GOLDEN = Path(__file__).with_name("losses.json")
ALGORITHMS = ("lora", "lokr", "loha")
SMALL = {"resolution": 64, "rank": 2, "layer_preset": "attn-only", "tensorboard": False}
TOLERANCE = 1e-3
"""Relative. One machine gives the same bytes each time; other CPUs and versions of PyTorch sum otherwise, and four
steps make at most some 1e-5 of that. A change of what is computed shows in the first digits.
"""


def losses(folder: Path, algo: str) -> list[float]:
    """The losses of four steps of the tiny base on two concepts, with text encoder and UNet trained."""
    options = {"algo": algo, "steps": 4, "learning_rate": 1e-2, "seed": 7, "batch": 2, **SMALL}
    _, events = run(folder, **options)
    return [event.loss for event in events if isinstance(event, TrainStep)]


def test_first_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    result = {algo: losses(draw_folder(tmp_path / algo), algo) for algo in ALGORITHMS}
    if os.environ.get("CURATE_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert golden.keys() == result.keys()
    for algo, expected in golden.items():
        assert result[algo] == pytest.approx(expected, rel=TOLERANCE), algo
