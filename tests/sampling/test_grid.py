"""Grids: a training's LoRA files by strength, prompt and seed, always beside the base alone; sheet, page and stage."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from curate.cli.main import main
from curate.core.events import Event, Saved
from curate.core.record import Manifest
from curate.report.grid_page import render, section
from curate.sampling import grid_file, labelled
from curate.sampling.grid import Column, columns_of, evenly, requests_of
from curate.sampling.grid_file import Grid
from curate.sampling.loras import LoraStrength
from curate.sampling.settings import PictureSettings
from curate.stages.sample import Sample
from curate.train.output.trained import trigger_prompts
from tests.sampling.helpers import lora
from tests.train.conftest import draw_folder, env_of, run

SHORT = ("--steps", "1", "--width", "64", "--height", "64", "--device", "cpu", "--offline")
TRAIN: dict[str, Any] = {"steps": 3, "rank": 1, "layer_preset": "attn-only", "tensorboard": False}


def grid(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["grid", *arguments])
    code = end.value.code
    return code if isinstance(code, int) else 1


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> Path:
    folder = draw_folder(tmp_path_factory.mktemp("trained") / "prepared")
    run(folder, **TRAIN, save_every_n_steps=1)
    return folder


def test_a_folder_shows_its_checkpoints_beside_the_base(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "grid"
    command = (str(trained), *SHORT, "--strengths", "0.5", "--strengths", "1", "--count", "2", "-o", str(out))
    assert grid(*command, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    names = ["prepared-step00000001", "prepared-step00000002", "prepared"]
    labels = ["without LoRA", *(f"{name}\nstrength {s}" for name in names for s in ("0.5", "1"))]
    assert figures["columns"] == labels
    rows = [("blue robe", 42), ("blue robe", 43), ("zwx dog", 42), ("zwx dog", 43)]
    assert [(row["prompt"], row["seed"]) for row in figures["rows"]] == rows
    pictures = [[(out / name).read_bytes() for name in row] for row in figures["pictures"]]
    assert [len(row) for row in pictures] == [7] * 4 and len({p for row in pictures for p in row}) == 28
    for row, (prompt, seed) in zip(figures["pictures"], rows, strict=True):
        with Image.open(out / row[-1]) as image:
            assert image.info["parameters"].startswith(f"{prompt} <lora:prepared:1>\n")
            assert f"Seed: {seed}, " in image.info["parameters"]
    page = (out / "grid.html").read_text(encoding="utf-8")
    assert all(name in page for name in names) and page.count('popover=""') == 28


def test_a_killed_grid_and_another_give_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid"
    command = (str(trained), *SHORT, "--checkpoints", "1", "--batch", "2", "-o", str(out))
    assert grid(*command) == 0
    whole = contents(out)
    for name in ("grid.png", "grid.json", "grid.html", next(n for n in whole if n.startswith("pictures/zwx"))):
        (out / name).unlink()
    assert grid(*command) == 0
    assert contents(out) == whole and len(whole) == 7


def test_what_was_there_before_is_counted_apart(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (str(trained), "-o", str(tmp_path / "g"), "--prompt", "a dog", "--checkpoints", "1", *SHORT)
    assert grid(*arguments) == 0 and "grid: done, 2 pictures" in capsys.readouterr().err
    next((tmp_path / "g" / "pictures").iterdir()).unlink()
    assert grid(*arguments) == 0 and "grid: done, 1 picture," in capsys.readouterr().err


def test_the_training_is_found_by_its_name(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = draw_folder(tmp_path / "prepared")
    run(other, **TRAIN, output_name="first", clip_skip=2)
    run(other, **TRAIN, output_name="second", seed=3)
    short = (*SHORT, "--prompt", "a dog", "--json")
    assert grid(str(other), *short) == 0
    assert json.loads(capsys.readouterr().out)["columns"][-1] == "second\nstrength 1"
    assert grid(str(other), "--run", "first", *short) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["columns"][-1] == "first\nstrength 1"
    assert Path(figures["folder"]) == other / "lora" / "grid" / "first"
    with Image.open(Path(figures["folder"]) / figures["pictures"][0][1]) as image:
        assert "Clip skip: 2" in image.info["parameters"], "drawn as it was trained"
    assert grid(str(other), "--run", "frist", *short) == 2
    assert "no run in" in (said := capsys.readouterr().err) and 'did you mean "first"' in said


def test_any_loras_are_compared_on_a_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (lora(tmp_path / f"{n}.safetensors", size) for n, size in (("one", 1.0), ("two", -2.0)))
    loras = ("--lora", f"{one}:0.5", "--lora", f"{two}:1:0")
    out = tmp_path / "out"
    assert grid("tiny", *loras, "--prompt", "a dog", *SHORT, "-o", str(out), "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["columns"] == ["without LoRA", "one\nstrength 0.5", "two\nstrength 1 (text 0)"]
    assert len({(out / name).read_bytes() for name in figures["pictures"][0]}) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tiny", "--prompt", "a"), "there is nothing to compare"),
        (("tiny", "--run", "x", "--prompt", "a"), "run x has no effect: tiny is a base model"),
        (("empty",), "no LoRA was trained in empty, and it is no base model"),
        (("nowhere", "--lora", "a.safetensors"), "lora: a.safetensors does not exist"),
    ],
)
def test_wrong_input_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert grid(*arguments) == 2
    assert message in capsys.readouterr().err


def test_columns_are_files_by_strengths() -> None:
    loras = [LoraStrength(Path(f"{n}.safetensors"), 1.0, 0.5) for n in range(5)]
    found = columns_of(loras[:2], (1.0, 0.5, 1.0))
    assert [column.label for column in found] == [
        "without LoRA",
        *("0\nstrength 1 (text 0.5)", "0\nstrength 0.5 (text 0.25)"),
        *("1\nstrength 1 (text 0.5)", "1\nstrength 0.5 (text 0.25)"),
    ]
    assert [[one.path.stem for one in evenly(loras, n)] for n in (1, 2, 3, 5, 9, None)] == [
        *(["4"], ["0", "4"], ["0", "2", "4"]),
        *([list("01234")] * 3),
    ]


def test_the_sheet_has_room_for_every_label(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.png" for n in range(4)]
    for n, path in enumerate(paths):
        Image.new("RGB", (600, 400 if n % 2 else 900), (n * 50, 0, 200)).save(path)
    rows = ["a prompt of many words that does not fit one line at all, " * 5, "犬\nseed 1"]
    data = labelled.sheet(["without", "x" * 90], rows, [paths[:2], [paths[2], tmp_path / "gone.png"]])
    assert data == labelled.sheet(["without", "x" * 90], rows, [paths[:2], [paths[2], tmp_path / "gone.png"]])
    place = tmp_path / "sheet.png"
    place.write_bytes(data)
    with Image.open(place) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    # four pictures scaled to the same side, the missing one gray; labels stand left of and above them
    blue = (np.abs(pixels - (50, 0, 200)).sum(-1) < 9).nonzero()
    assert blue[0].max() - blue[0].min() + 1 == 256 and blue[1].max() - blue[1].min() + 1 == 384
    top, left = (pixels[: blue[0].min(), blue[1].min() :], pixels[:, : blue[1].min() - 300])
    assert (top.min(-1) < 100).any() and (left.min(-1) < 100).any()
    assert not (pixels[: blue[0].min(), blue[1].max() + 1 :] < 100).any(), "the label keeps to its column"


@pytest.mark.parametrize("letter", ["ü", "é", "ł", "ж", "λ", "×", "—", "…"])
def test_letters_that_pillows_font_lacks_are_drawn(letter: str) -> None:
    font = labelled._font(letter, 20)  # pyright: ignore[reportPrivateUsage]
    assert bytes(font.getmask(letter)) != bytes(font.getmask("\uffff")), "not the box of a missing letter"


def test_the_page_escapes_and_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "pictures" / "a #1.png")
    rows = (PictureSettings("<b>dog</b>", "bad"), PictureSettings("robe"))
    made = Grid("base", ("without LoRA", "x<script>\nstrength 1"), rows, (("pictures/a #1.png",) * 2,) * 2)
    page = render(made, tmp_path)
    assert "<script" not in page and "&lt;b&gt;dog&lt;/b&gt;" in page and "x&lt;script&gt;<br>strength 1" in page
    assert 'src="pictures/a%20%231.png"' in page and page.count("data:image/jpeg") == 4
    assert "default-src &#x27;none&#x27;" in page and "script-src" not in page
    assert re.search(r'body:has\(option\[value="1"\]:checked\) tbody tr:not\(\.p1\)\{display:none\}', page)
    assert "and 1 row more" in section(made, tmp_path, most=1)


def drawn(events: list[Event]) -> list[tuple[str, bool]]:
    return [(Path(e.path).name, e.recalled) for e in events if isinstance(e, Saved) and e.kind == "grid"]


def test_the_stage_draws_what_is_trained_now(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "prepared")
    run(folder, **TRAIN)
    stage = Sample(steps=1, width=64, height=64)
    events: list[Event] = []
    env = env_of(folder)
    assert not stage.is_current(Manifest(), env, events.append)
    stage.run(Manifest(), env, events.append)
    place = folder / "lora" / "grid" / "prepared"
    assert drawn(events) == [("grid.png", False)] and len(list((place / "pictures").iterdir())) == 4
    later: list[Event] = []
    assert stage.is_current(Manifest(), env, later.append) and drawn(later) == [("grid.png", True)]
    assert not Sample(steps=2, width=64, height=64).is_current(Manifest(), env, later.append)
    next((place / "pictures").iterdir()).unlink()
    assert not stage.is_current(Manifest(), env, later.append)
    stage.run(Manifest(), env, later.append)
    run(folder, **TRAIN, seed=9)
    assert not stage.is_current(Manifest(), env, later.append), "another LoRA was trained"
    run(folder, **TRAIN)
    assert stage.is_current(Manifest(), env, later.append), "the first is the latest again, and its pictures are there"
    found = grid_file.read(place)
    assert found is not None and found.columns == ("without LoRA", "prepared\nstrength 1")


def test_pictures_are_called_by_words_without_weights() -> None:
    rows = [PictureSettings(r"saber \(fate\), (red:1.2) coat")]
    assert requests_of([Column("without LoRA")], rows)[0].name == "saber (fate), red coat-0 without LoRA"


def test_brackets_of_trigger_words_are_no_weights(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "prepared")
    next(folder.glob("*_*")).rename(folder / "2_saber (fate)")
    assert r"saber \(fate\)" in [p.text for p in trigger_prompts(folder)]


def test_the_stage_names_a_prompt_file_that_is_missing(tmp_path: Path) -> None:
    [lack] = Sample(prompts=str(tmp_path / "no.txt")).missing(env_of(tmp_path))
    assert "no.txt does not exist" in lack.message
    assert not Sample(prompt=("a dog",)).missing(env_of(tmp_path))
