"""The command `curate evaluate`, and the section in the report, on a folder that was evaluated before."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from curate.cli.main import main
from curate.core.events import Event
from curate.core.record import Manifest
from curate.drive.report_page import Pictures, write_report
from curate.evaluate.result import read
from curate.stages.evaluate import Evaluate
from tests.train.conftest import draw_folder, env_of, run

SMALL = {"pictures": 2, "seeds": 2, "width": 64, "height": 64, "steps": 1, "batch": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, viewers: dict[str, str]) -> Path:
    """One concept, two LoRA files, evaluated."""
    place = draw_folder(tmp_path_factory.mktemp("commands") / "prepared", each=3)
    shutil.rmtree(place / "1_blue robe")
    run(place, steps=2, save_every_n_steps=1, batch=2, resolution=64)
    Evaluate.build({**SMALL, **viewers}).run(Manifest(), env_of(place), lambda _: None)
    return place


def command(folder: Path, viewers: Mapping[str, str], *further: str) -> int:
    options = [word for name, value in {**SMALL, **viewers}.items() for word in (f"--{name}", str(value))]
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(folder), *options, "--offline", "-q", *further])
    return int(str(end.value.code or 0))


def test_the_command_prints_ranks_scores_and_the_grounds(
    folder: Path, viewers: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(folder, viewers) == 0
    out = capsys.readouterr().out
    [path] = (folder / "lora" / "evaluation").glob("*/evaluation.json")
    result = read(path)
    assert result is not None
    lines = out.splitlines()
    assert re.split(r"  +", lines[0]) == ["LoRA", "fidelity", "controllability", "diversity", "preservation", "mean"]
    assert f"recommended: {result.recommended}" in lines and result.reason in lines
    assert max(map(len, lines[:7])) < 140


def test_json_holds_all_of_it(folder: Path, viewers: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command(folder, viewers, "--json") == 0
    found: Any = json.loads(capsys.readouterr().out)["findings"]
    assert found["recommended"] in found["ranks"]
    row = next(r for r in found["rows"] if r["column"] == "base" and r["kind"] == "train")
    assert set(row["scores"]) == {"cosine", "distance", "prompt", "vendi"}


def test_the_report_of_a_run_holds_the_evaluation(folder: Path, tmp_path: Path) -> None:
    figures = {
        **dict.fromkeys(("aside", "stages", "notes"), ()), "saved": [], "pictures": 3, "seconds": 1.0, "training": None,
    }  # fmt: skip
    write_report(tmp_path / "report.html", Manifest(), figures, Pictures(lambda _: None, lambda _: None), {}, folder)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="evaluation">') :].partition("</section>")[0]
    assert section.count("<svg ") == 3 and section.count("data:image/jpeg") > 4


def test_a_folder_in_another_layout_is_refused(tmp_path: Path, viewers: dict[str, str], capsys: Any) -> None:
    (tmp_path / "dog").mkdir()
    assert command(tmp_path, viewers) == 2
    assert "N_trigger" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["damaged", "of another base"])
def test_a_lora_that_cannot_be_used_is_refused_before_anything_is_drawn(
    kind: str, folder: Path, viewers: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.safetensors"
    if kind == "damaged":
        broken.write_bytes(b"\xff" * 64)
    else:
        key = "lora_unet_no_such_layer"
        tensors = {f"{key}.lora_down.weight": torch.zeros(2, 8), f"{key}.lora_up.weight": torch.zeros(8, 2)}
        save_file({**tensors, f"{key}.alpha": torch.tensor(2.0)}, broken)
    good = next((folder / "lora").glob("*.safetensors"))
    code = command(folder, viewers, "--lora", str(good), "--lora", str(broken), "--output-dir", str(tmp_path / "out"))
    assert code == 2
    assert "broken.safetensors" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.png"))


def test_events_are_plain(folder: Path, viewers: dict[str, str]) -> None:
    events: list[Event] = []
    assert Evaluate.build({**SMALL, **viewers}).is_current(Manifest(), env_of(folder), events.append)
    assert [type(event).__name__ for event in events] == ["Saved"]
