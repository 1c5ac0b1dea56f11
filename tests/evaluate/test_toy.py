"""A LoRA on the base `toy` is evaluated like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

from curate.core.record import Manifest
from curate.evaluate.result import read
from curate.stages.evaluate import Evaluate
from tests.train.conftest import draw_folder, env_of, run


def test_a_lora_on_the_base_toy_is_evaluated(tmp_path: Path, viewers: dict[str, str]) -> None:
    place = draw_folder(tmp_path / "prepared", each=3)
    shutil.rmtree(place / "1_blue robe")
    run(place, base="toy", steps=1, batch=2)
    small = {"pictures": 2, "seeds": 2, "steps": 1, "batch": 2}
    Evaluate.build({**small, **viewers}).run(Manifest(), env_of(place), lambda _: None)
    [path] = (place / "lora" / "evaluation").glob("*/evaluation.json")
    result = read(path)
    assert result is not None and result.recommended
