"""The whole evaluation on the tiny base, with small models that look at pictures."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.core.concept import Concept
from curate.core.env import Env
from curate.core.events import Event, Note, Phase, Saved
from curate.core.record import Manifest
from curate.errors import InputError, Interrupted
from curate.evaluate.result import Evaluation, read
from curate.stages.evaluate import Evaluate
from tests.train.conftest import draw_folder, env_of, run

SMALL = {"pictures": 4, "seeds": 2, "width": 64, "height": 64, "steps": 1, "batch": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> Path:
    """A folder with a LoRA and an earlier state of it."""
    folder = draw_folder(tmp_path_factory.mktemp("trained") / "prepared", each=3)
    run(folder, steps=4, save_every_n_steps=2, batch=2, resolution=64)
    return folder


@pytest.fixture
def fresh(trained: Path, tmp_path: Path) -> Path:
    """Trained, and never evaluated."""
    return shutil.copytree(trained, tmp_path / "prepared")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Evaluated before."""
    return shutil.copytree(whole, tmp_path / "prepared")


def evaluated(folder: Path, viewers: Mapping[str, str], env: Env | None = None, **options: Any) -> list[Event]:
    events: list[Event] = []
    Evaluate.build({**SMALL, **viewers, **options}).run(Manifest(), env or env_of(folder), events.append)
    return events


def place(folder: Path) -> Path:
    [found] = (folder / "lora" / "evaluation").glob("*/evaluation.json")
    return found.parent


def result(folder: Path) -> Evaluation:
    found = read(place(folder) / "evaluation.json")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def whole(trained: Path, viewers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of the two, made once."""
    folder = shutil.copytree(trained, tmp_path_factory.mktemp("whole") / "prepared")
    evaluated(folder, viewers)
    return folder


def test_every_lora_is_scored_for_every_concept_and_kind(whole: Path) -> None:
    found = result(whole)
    assert len(found.columns) == 3 and found.columns[0] == "base"
    assert {(r.column, r.concept, r.kind) for r in found.rows} == {
        (column, concept, kind)
        for column in found.columns
        for concept in ("2_zwx dog", "1_blue robe")
        for kind in ("train", "trigger", "alter", "style", "agnostic")
    }
    assert all(row.pictures == 4 for row in found.rows)
    own = {r.kind: set(r.scores) for r in found.rows if r.column == found.columns[1]}
    always = {"prompt", "vendi", "copies"}
    assert own == {
        "train": {*always, "cosine", "distance"},
        "trigger": {*always, "cosine", "distance"},
        "alter": {*always, "cosine", "distance"},
        "style": {*always, "cosine", "distance", "style"},
        "agnostic": {*always, "leak"},
    }
    assert all(np.isfinite(score).all() for row in found.rows for score in row.scores.values())
    assert all(1 <= row.scores["vendi"][0] <= row.each + 1e-9 for row in found.rows)
    assert found.recommended in found.columns[1:] and found.recommended in found.reason
    assert set(found.ranks) == set(found.columns[1:])
    assert sum(own["mean"] for own in found.ranks.values()) == pytest.approx(1)


def test_scores_are_those_of_the_embeddings(whole: Path, viewers: dict[str, str]) -> None:
    """One cell by hand: pictures read from their files, embedded by the library, compared pair by pair."""
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModel

    found = result(whole)
    model = AutoModel.from_pretrained(viewers["dino"]).eval()
    processor = AutoImageProcessor.from_pretrained(viewers["dino"])

    def rows(paths: list[Path]) -> Any:
        images = [np.array(Image.open(path).convert("RGB")) for path in paths]
        with torch.no_grad():
            made = torch.cat([model(**processor(images=[i], return_tensors="pt")).pooler_output for i in images])
        return torch.nn.functional.normalize(made).double().numpy()

    column = found.columns[-1]
    drawn = rows(sorted((place(whole) / "pictures" / column).glob("zwx dog-*.png")))
    training = rows(sorted((whole / "2_zwx dog").glob("*.png")))
    row = next(r for r in found.rows if (r.column, r.concept, r.kind) == (column, "2_zwx dog", "trigger"))
    assert len(drawn) == 4
    assert row.scores["cosine"][0] == pytest.approx(float((drawn @ training.T).mean()), abs=1e-5)
    distance = float(((drawn.mean(0) - training.mean(0)) ** 2).sum())
    assert row.scores["distance"][0] == pytest.approx(distance, abs=1e-5)


def test_the_files_say_the_same(whole: Path) -> None:
    found = result(whole)
    assert (
        json.loads((place(whole) / "evaluation.json").read_text(encoding="utf-8"))["recommended"] == found.recommended
    )
    with (place(whole) / "scores.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == sum(len(row.scores) for row in found.rows)
    first = found.rows[0]
    assert float(table[0]["value"]) == first.scores[table[0]["measure"]][0]
    page = (place(whole) / "evaluation.html").read_text(encoding="utf-8")
    assert page.count("<svg ") == 3 and found.reason.split(".")[0] in page
    assert page.index(f"<h3>{found.recommended}</h3>") < page.index("<h3>base</h3>")
    assert (whole / "lora" / "evaluation" / "prompts.yaml").is_file()


def test_a_rerun_draws_and_measures_nothing(copy: Path, viewers: dict[str, str]) -> None:
    before = {path: path.read_bytes() for path in sorted(place(copy).rglob("*")) if path.is_file()}
    stage = Evaluate.build({**SMALL, **viewers})
    events: list[Event] = []
    assert stage.is_current(Manifest(), env_of(copy), events.append)
    assert any(isinstance(e, Saved) and e.recalled for e in events)
    # as if all but the ledger were lost: the numbers come back without a model
    models = {name: shutil.copytree(path, copy.parent / name) for name, path in viewers.items()}
    (place(copy) / "evaluation.json").unlink()
    assert not stage.is_current(Manifest(), env_of(copy), events.append)
    tasks = {e.task for e in evaluated(copy, {k: str(v) for k, v in models.items()}) if isinstance(e, Phase)}
    assert tasks == {"drawing pictures"}
    assert {path: path.read_bytes() for path in before if path.suffix in (".png", ".csv")} == {
        path: data for path, data in before.items() if path.suffix in (".png", ".csv")
    }


def test_an_evaluation_that_was_stopped_goes_on_to_the_same_numbers(
    fresh: Path, whole: Path, viewers: dict[str, str]
) -> None:
    """Stopped while drawing, and among the pictures of each model."""
    for name in ("drawing pictures", "DINOv2", "CLIP", "VGG19"):
        events: list[Event] = []

        def stop(name: str = name, events: list[Event] = events) -> bool:
            return any(isinstance(e, Phase) and e.task.endswith(name) and e.done > 0 for e in events)

        with pytest.raises(Interrupted):
            Evaluate.build({**SMALL, **viewers}).run(Manifest(), env_of(fresh, stop), events.append)
    evaluated(fresh, viewers)
    mine, theirs = (place(folder) / "scores.csv" for folder in (fresh, whole))
    assert mine.read_bytes() == theirs.read_bytes()


def test_another_lora_or_caption_is_another_evaluation(copy: Path, viewers: dict[str, str]) -> None:
    stage = Evaluate.build({**SMALL, **viewers})
    assert stage.is_current(Manifest(), env_of(copy), print)
    caption = copy / "2_zwx dog" / "0.txt"
    text = caption.read_text(encoding="utf-8")
    for change in ("another dog", text):
        caption.write_text(change, encoding="utf-8")
        assert stage.is_current(Manifest(), env_of(copy), print) == (change == text)
    lists = copy / "lora" / "evaluation" / "prompts.yaml"
    lists.write_text(lists.read_text(encoding="utf-8").replace("sandy beach", "stony beach"), encoding="utf-8")
    assert not stage.is_current(Manifest(), env_of(copy), print)


def test_edited_prompts_are_drawn(fresh: Path, viewers: dict[str, str], tmp_path: Path) -> None:
    shutil.rmtree(fresh / "1_blue robe")
    path = tmp_path / "mine.yaml"
    path.write_text('alter: ["{trigger} as a knight", "{trigger} on the moon"]\n', encoding="utf-8")
    evaluated(fresh, viewers, prompts=str(path), checkpoints=1)
    shown = {e.prompt for e in result(fresh).examples if e.kind == "alter"}
    assert shown == {"zwx dog as a knight", "zwx dog on the moon"}
    assert not (fresh / "lora" / "evaluation" / "prompts.yaml").exists()


def test_a_lora_that_draws_its_training_pictures_is_named(copy: Path, viewers: dict[str, str]) -> None:
    """The training pictures of a concept become those that the last LoRA drew: as if it had learnt them by heart."""
    column = result(copy).columns[-1]
    for n, path in enumerate(sorted((place(copy) / "pictures" / column).glob("zwx dog-*.png"))[:3]):
        shutil.copy(path, copy / "2_zwx dog" / f"{n}.png")
    events = evaluated(copy, viewers)
    again = result(copy)
    assert column in again.repeats
    assert any(isinstance(e, Note) and e.level == "warning" and column in e.message for e in events)
    named = [r for r in again.repetitions if r.column == column and r.concept == "2_zwx dog"]
    assert named[0].cosine == pytest.approx(1, abs=1e-5)
    assert (copy / named[0].training).read_bytes() == (place(copy) / named[0].picture).read_bytes()
    assert "training picture</small>" in (place(copy) / "evaluation.html").read_text(encoding="utf-8")


def test_a_companion_is_on_every_picture(copy: Path, viewers: dict[str, str]) -> None:
    alone = result(copy)
    first, last = sorted((copy / "lora").glob("*.safetensors"), key=lambda p: p.stat().st_mtime_ns)
    evaluated(copy, viewers, lora=[str(last)], with_lora=[f"{first}:3"])
    both = result(copy)
    assert both.columns == ("base", last.stem) and both.companions == (f"{first}:3",)
    before = {(r.column, r.concept, r.kind): r.scores["prompt"][0] for r in alone.rows}
    assert all(before[r.column, r.concept, r.kind] != r.scores["prompt"][0] for r in both.rows)  # the base's own, too


def test_clip_reads_the_class_word(copy: Path, viewers: dict[str, str]) -> None:
    env = env_of(copy)
    env.concepts = {"dog": Concept(trigger=("zwx dog",), class_word="terrier")}
    evaluated(copy, viewers, env, checkpoints=1)
    prompts = {e.prompt for e in result(copy).examples if e.kind == "agnostic" and e.concept == "2_zwx dog"}
    assert "a terrier in a park" in prompts


def test_quick_says_how_far_its_errors_reach(fresh: Path, viewers: dict[str, str]) -> None:
    shutil.rmtree(fresh / "1_blue robe")
    options = {k: v for k, v in SMALL.items() if k not in ("pictures", "seeds")}
    Evaluate.build({**options, **viewers, "quick": True, "checkpoints": 1}).run(
        Manifest(), env_of(fresh), lambda _: None
    )
    found = result(fresh)
    assert {row.pictures for row in found.rows} == {8}
    assert "With 8 pictures" in found.reach and "quick" in found.reach
    assert all(value > 0 for name, value in found.errors.items() if name not in ("copies", "leak"))


def test_all_that_is_missing_is_named_at_once(copy: Path) -> None:
    stage = Evaluate.build({
        "lora": ["none.safetensors"], "base": "no/such/model", "dino": "nobody/dino", "clip": str(copy),
        "vgg": "no.pth", "prompts": "no.yaml",
    })  # fmt: skip
    env = env_of(copy)
    lacks = [lack.message for lack in stage.missing(env)]
    for word in ("none.safetensors", "no/such/model", "nobody/dino", "holds no CLIP", "no.pth", "no.yaml"):
        assert sum(word in line for line in lacks) == 1, (word, lacks)
    assert len(lacks) == 6
    env.offline = False
    assert not any("nobody/dino" in lack.message for lack in stage.missing(env))


def test_without_a_training_base_and_lora_are_asked_for(folder: Path, viewers: dict[str, str]) -> None:
    with pytest.raises(InputError, match="no LoRA was trained"):
        evaluated(folder, viewers)


@pytest.mark.parametrize(("options", "message"), [
    ({"quick": True, "pictures": 20}, "leave out pictures"),
    ({"pictures": 3, "seeds": 9}, "more than pictures"),
    ({"checkpoints": 2, "lora": ("a",)}, "checkpoints"),
])  # fmt: skip
def test_options_without_effect_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Evaluate.build(options)
