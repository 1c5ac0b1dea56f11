"""Stage tag: what is picked, what is kept, what is not computed again."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from curate.core.record import Image, Record
from curate.core.scores import Scores
from curate.core.stage import Env
from curate.errors import InputError, MissingError, PictureError
from curate.stages.tag import Tag

Make = Callable[..., Record]


def keys(stage: Tag, record: Record, env: Env) -> list[Any]:
    """What a runner keys each part by."""
    return [(p.version, p.key_options(), [str(f) for f in p.files(env)], p.key_fields(record)) for p in stage.parts()]


def test_palette_tags_a_red_picture(apply: Any, record: Make) -> None:
    after = apply(Tag(tagger=("palette",)), record())
    assert after.tags[0] == "red_theme"
    assert {"red_theme", "simple_background"} <= set(after.tags)
    assert not {"general", "rating:general", "white_background"} & set(after.tags)
    assert set(after.scores.unpack()) == {"palette"}
    assert after.scores.unpack()["palette"]["general"][1] == "rating"


@pytest.mark.parametrize(("rating", "tag"), [("plain", "general"), ("prefixed", "rating:general")])
def test_the_rating_as_a_tag(apply: Any, record: Make, rating: Any, tag: str) -> None:
    assert apply(Tag(tagger=("palette",), rating=rating), record()).tags[-1] == tag


def test_thresholds_change_the_selection_only(record: Make, env: Env) -> None:
    base = keys(Tag(tagger=("palette",)), record(), env)
    for change in (
        {"general": 0.9},
        {"cut": "mcut"},
        {"rating": "plain"},
        {"max_tags": 3},
        {"existing": "merge"},
        {"thresholds": {"meta": 0.5}},
    ):
        scoring, selection = keys(Tag(tagger=("palette",), **change), record(), env)  # type: ignore[arg-type]
        assert scoring == base[0], change
        assert selection != base[1], change


@pytest.mark.parametrize("given", [{"general": 0.04}, {"character": 0.0}, {"thresholds": {"meta": 0.01}}])
def test_thresholds_under_the_floor_are_told(given: dict[str, Any]) -> None:
    (option,) = given
    assert "0.05 are not stored" in Tag(tagger=("palette",), **given).problems()[option]
    assert Tag(tagger=("palette",), floor=0.0, **given).problems() == {}


def test_the_floor_changes_the_scoring(record: Make, env: Env) -> None:
    assert (
        keys(Tag(tagger=("palette",), floor=0.1), record(), env)[0] != keys(Tag(tagger=("palette",)), record(), env)[0]
    )


def test_scores_do_not_depend_on_names_or_triggers(record: Make, env: Env) -> None:
    stage = Tag(tagger=("palette",))
    assert keys(stage, record(trigger=("new word",), imported="a, b"), env)[0] == keys(stage, record(), env)[0]
    assert keys(stage, record(trigger=("new word",)), env)[1] == keys(stage, record(), env)[1]
    assert keys(stage, record(trigger=("a",), imported="a, b"), env)[1] != keys(stage, record(imported="a, b"), env)[1]


def test_existing_captions(apply: Any, record: Make) -> None:
    came = record(imported="ZWX dog, blue collar, A dog runs in the park.")
    kept = apply(Tag(tagger=("palette",)), came)
    assert (kept.tags, kept.sentence) == (("zwx dog", "blue_collar"), "A dog runs in the park.")
    assert "kept the caption" in kept.notes[0]
    merged = apply(Tag(tagger=("palette",), existing="merge"), came)
    assert merged.tags[:3] == ("zwx dog", "blue_collar", "red_theme")
    assert merged.sentence == "A dog runs in the park."
    replaced = apply(Tag(tagger=("palette",), existing="replace"), came)
    assert "blue_collar" not in replaced.tags
    assert not replaced.sentence
    assert apply(Tag(tagger=("palette",)), record(imported="  ")).tags[0] == "red_theme"


def test_a_broken_picture_costs_its_batch_nothing(env: Env, record: Make) -> None:
    good = [dataclasses.replace(record(), key=f"dogs/{i}.png", image=Image(f"d{i}", f"{i}.png")) for i in range(5)]
    bad = dataclasses.replace(record(), key="dogs/b.png", image=Image("b", "broken.png"))
    scoring = Tag(tagger=("palette",)).parts()[0]
    with scoring.open(env) as worker:  # type: ignore[attr-defined]
        with pytest.raises(PictureError, match="truncated"):
            worker([*good[:3], bad, *good[3:]])
        env.held.update({r.key: None for r in good})  # type: ignore[misc]
        assert all(worker([r])[0].scores.unpack() for r in good)
        with pytest.raises(PictureError):
            worker([bad])


def test_what_is_expected_is_scored_ahead_and_alike(env: Env, record: Make) -> None:
    chunks = [
        [dataclasses.replace(record(), key=f"dogs/{i}{j}.png", image=Image(f"d{i}{j}", f"{j}.png")) for j in range(3)]
        for i in range(4)
    ]
    broken = dataclasses.replace(record(), key="dogs/b.png", image=Image("b", "broken.png"))
    chunks.append([chunks[0][0], broken])
    scoring = Tag(tagger=("palette",)).parts()[0]
    with scoring.open(env) as worker:  # type: ignore[attr-defined]
        plain = [worker(c) for c in chunks[:4]]
        worker.preload(chunks[0])
        for i, chunk in enumerate(chunks[:4]):
            worker.preload(chunks[i + 1])
            assert worker(chunk) == plain[i]
        with pytest.raises(PictureError, match="truncated"):
            worker(chunks[4])
        assert worker([chunks[0][0]]) == plain[0][:1]
        worker.preload(chunks[2])  # announced and never asked for


@pytest.mark.parametrize(
    ("scores", "imported", "reason"),
    [
        ({"explicit": (0.9, "rating"), "general": (0.1, "rating"), "child": (0.3, "general")}, None, True),
        ({"explicit": (0.1, "rating"), "general": (0.9, "rating"), "child": (0.9, "general")}, None, False),
        ({"explicit": (0.9, "rating"), "general": (0.1, "rating")}, "child, dress", True),
        ({}, "child, nude", True),
        ({}, "child, dress", False),
    ],
)
def test_screening_knows_no_option(
    apply: Any, record: Make, env: Env, scores: Any, imported: str | None, reason: bool
) -> None:
    for options in (
        {},
        {"existing": "replace"},
        {"general": 1.0, "character": 1.0},
        {"categories": ()},
        {"cut": "mcut", "max_tags": 1},
    ):
        selection = Tag(tagger=("palette",), **options).parts()[-1]  # type: ignore[arg-type]
        with selection.open(env) as worker:  # type: ignore[attr-defined]
            packed = Scores.pack({"palette": scores})
            (after,) = worker([dataclasses.replace(record(), scores=packed, imported=imported, tags=())])
        assert bool(after.aside) == reason
    assert not any("screen" in f or "safe" in f for f in Tag.model_fields)


def test_unknown_taggers_and_models_that_are_not_here(
    env: Env, apply: Any, record: Make, tmp_path: Any, monkeypatch: Any
) -> None:
    with pytest.raises(InputError, match="did you mean"):
        apply(Tag(tagger=("palete",)), record())
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path / "models"))
    env.offline = True
    with pytest.raises(
        MissingError, match=r"(?s)wd-vit-tagger-v3 is not on this machine.*model\.onnx, selected_tags\.csv.*models"
    ) as caught:
        apply(Tag(tagger=("wd-vit-tagger-v3",)), record())
    assert caught.value.exit_code == 3


def test_two_folders_of_one_name(apply: Any, record: Make, tmp_path: Any) -> None:
    (tmp_path / "a" / "m").mkdir(parents=True)
    (tmp_path / "b" / "m").mkdir(parents=True)
    with pytest.raises(InputError, match="same name"):
        apply(Tag(tagger=(str(tmp_path / "a" / "m"), str(tmp_path / "b" / "m"))), record())


def test_importing_the_caption_stages_loads_nothing_heavy() -> None:
    code = (
        "import sys, curate.stages.tag, curate.stages.captions, curate.stages.prune, curate.stages.trigger\n"
        "heavy = {'torch', 'onnxruntime', 'transformers', 'scipy', 'cv2', 'PIL', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
