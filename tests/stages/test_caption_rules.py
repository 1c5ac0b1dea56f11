"""Stages captions, prune and trigger: each option, protection of trigger words, what enters the key."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curate import captions
from curate.core.record import CaptionStyle, Manifest, Record
from curate.core.scores import Scores
from curate.core.stage import Env, RecordStage
from curate.errors import InputError
from curate.stages.captions import Captions
from curate.stages.prune import Prune
from curate.stages.trigger import Trigger
from tests.stages.conftest import make

Make = Callable[..., Record]

TABLE = "child,parent\nbeagle,dog\ndog,canine\ncanine,animal\nzwx_dog,animal\nwolf_girl,wolf_ears\nwolf_girl,1girl\n"


@pytest.fixture
def table(tmp_path: Path) -> str:
    (tmp_path / "implications.csv").write_text(TABLE)
    return str(tmp_path / "implications.csv")


# captions
# -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({}, ("a", "b"), ("a", "b")),
        ({}, ("grayscale", "greyscale", "b"), ("greyscale", "b")),
        ({"vocabulary": "none"}, ("grayscale", "b"), ("grayscale", "b")),
        ({"translate": "danbooru-to-e621"}, ("from_side", "1girl", "grass"), ("side_view", "female", "grass")),
        ({"translate": "e621-to-danbooru"}, ("side_view", "female", "grass"), ("from_side", "female", "grass")),
        ({"replace": {"grey dog": "dog, grey_fur"}}, ("a", "grey_dog", "b"), ("a", "dog", "grey_fur", "b")),
        ({"replace": {"a": ("b",)}}, ("b", "a"), ("b",)),
        (
            {"add_if": {"sketch": ("monochrome", "greyscale")}},
            ("sketch", "greyscale"),
            ("sketch", "greyscale", "monochrome"),
        ),
        (
            {"blacklist": ("b", "*_background")},
            ("b", "big_b", "white_background", "background"),
            ("big_b", "background"),
        ),
        ({"blacklist": ("hat",)}, ("that_thing", "hat"), ("that_thing",)),
        ({"blacklist": ("a.c", "x")}, ("abc", "x_y"), ("abc", "x_y")),
        ({"whitelist": ("a", "b*")}, ("a", "bc", "c"), ("a", "bc")),
        ({"blacklist": ("*",), "keep": ("c",)}, ("a", "c"), ("c",)),
        ({"absorb": ("blue eyes",)}, ("blue_eyes", "brown_fur", "a"), ("a",)),
        ({"order": "name"}, ("zwx dog", "c", "a"), ("zwx dog", "a", "c")),
        ({"cap": 2}, ("zwx dog", "a", "b", "c"), ("zwx dog", "a", "b")),
        ({"cap": 1, "keep": ("c",)}, ("a", "b", "c"), ("c",)),
        ({"blacklist": ("zwx dog", "zwx_dog", "*")}, ("zwx dog", "a"), ("zwx dog",)),
        ({"whitelist": ("b",), "replace": {"zwx dog": "c"}}, ("zwx dog", "zwx_dog", "b"), ("zwx dog", "zwx_dog", "b")),
    ],
)
def test_rules(apply: Any, options: Any, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    assert apply(Captions(**options), make(*before)).tags == after


def test_scores_order_and_cap(apply: Any) -> None:
    scored = make("a", "b", "c", "hand_made", scores={"a": 0.4, "b": 0.9, "c": 0.6})
    assert apply(Captions(order="score"), scored).tags == ("hand_made", "b", "c", "a")
    assert apply(Captions(cap=2), scored).tags == ("b", "hand_made")


def test_single_concepts_have_their_own(apply: Any) -> None:
    stage = Captions(
        blacklist=("a",), cap=2, per_concept={"robes": {"blacklist": ["b"], "separator": "; "}, "cats": {"cap": 0}}
    )
    dog, robe, cat = (make("a", "b", "c", "d", concept=c, trigger=()) for c in ("dogs", "robes", "cats"))
    assert [apply(stage, r).tags for r in (dog, robe, cat)] == [("b", "c"), ("a", "c"), ("b", "c", "d")]
    assert [apply(stage, r).style.separator for r in (dog, robe)] == [", ", "; "]
    assert stage.key_fields(dog) != stage.key_fields(dataclasses.replace(dog, concept="robes"))
    told: list[Any] = []
    stage.check_records(Manifest([dog, dataclasses.replace(robe, key="r")]), None, told.append)  # type: ignore[arg-type]
    assert [(n.level, "no concept cats" in n.message) for n in told] == [("warning", True)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"blakclist": ["a"]}, "robes: blakclist"),
        ({"cap": -1}, "robes: cap"),
        ({"per_concept": {}}, "cannot be used inside per_concept"),
    ],
)
def test_wrong_options_of_a_concept_are_named(options: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Captions(per_concept={"robes": options})
    assert "gelboru" in Captions(per_concept={"robes": {"vocabulary": "gelboru"}}).problems()["per_concept"]


def test_what_was_removed_is_noted(apply: Any) -> None:
    assert apply(Captions(blacklist=("a", "b")), make("a", "b", "c")).notes == ("captions: removed a, b",)
    assert apply(Captions(), make("a")).notes == ()


def test_sentences_split_at_commas(apply: Any) -> None:
    after = apply(Captions(split_sentences=True), make("a", sentence="A dog in the grass, running fast."))
    assert (after.tags, after.sentence) == (("a", "A_dog_in_the_grass", "running_fast"), "")


def test_the_style_is_set(apply: Any) -> None:
    after = apply(
        Captions(separator="; ", underscores="keep", escape=True, extension=".caption", sentence="none"), make("a")
    )
    assert after.style == CaptionStyle("; ", "keep", True, ".caption", "none")


@pytest.mark.parametrize("options", [{"separator": ",\n"}, {"separator": ""}, {"extension": "txt"}, {"colour": "red"}])
def test_impossible_options_are_refused(options: Any) -> None:
    with pytest.raises(ValidationError):
        Captions(**options)


def test_unknown_tables_are_input_errors(apply: Any) -> None:
    for stage in (Captions(vocabulary="gelbooru"), Prune(implications="gelbooru")):
        with pytest.raises(InputError, match="gelbooru"):
            apply(stage, make("a"))


def test_imported_captions_are_screened(apply: Any) -> None:
    assert apply(Captions(), make("child", "nude", imported="child, nude")).aside
    assert apply(Captions(blacklist=("*",)), make(imported="child, nude")).aside
    assert apply(Captions(), make("dress", sentence="A nude child.", imported="dress, A nude child.")).aside
    assert not apply(Captions(), make("child", "dress", imported="child, dress")).aside


def test_scores_are_screened_in_the_words_of_their_model(apply: Any) -> None:
    """On danbooru a sheath belongs to a sword, and "young" is no tag; on e621 both count."""
    scores = {"child": (0.9, "general"), "sheath": (0.9, "general")}
    known = Scores.pack({"wd-vit-tagger-v3": {"general": (0.9, "rating"), **scores}})
    other = Scores.pack({"jtp-pilot2": {"safe": (0.9, "rating"), **scores}})
    came = make("sword", imported="sword")
    assert not apply(Captions(), dataclasses.replace(came, scores=known)).aside
    assert apply(Captions(), dataclasses.replace(came, scores=other)).aside


# prune
# --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({}, ("animal", "beagle", "dog", "grass"), ("beagle", "grass")),
        ({"keep": ("dog",)}, ("animal", "beagle", "dog"), ("beagle", "dog")),
        ({"cap": 2}, ("animal", "beagle", "dog", "grass"), ("beagle", "grass")),
        ({"cap": 1}, ("zwx dog", "a", "b"), ("zwx dog", "a")),
        ({"implications": "none"}, ("dog", "beagle"), ("dog", "beagle")),
        ({}, ("dog", "zwx dog", "animal"), ("dog", "zwx dog")),
    ],
)
def test_prune(apply: Any, table: str, options: Any, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    assert apply(Prune(**{"implications": table, **options}), make(*before)).tags == after


def test_a_trigger_word_that_is_a_tag_is_never_dropped(apply: Any, table: str) -> None:
    assert apply(Prune(implications=table), make("dog", "beagle", "animal", trigger=("dog",))).tags == ("dog", "beagle")


def test_removals_are_explained(apply: Any, table: str) -> None:
    after = apply(Prune(implications=table, cap=1), make("animal", "beagle", "dog", "grass"))
    assert after.notes == (
        "prune: dropped animal: beagle implies it",
        "prune: dropped dog: beagle implies it",
        "prune: over the cap of 1: grass",
    )


def test_a_doubtful_child_goes_instead_of_a_certain_parent(apply: Any, table: str) -> None:
    doubtful = make("dog", "beagle", scores={"dog": 0.99, "beagle": 0.36})
    assert apply(Prune(implications=table), doubtful).tags == ("beagle",)
    assert apply(Prune(implications=table, margin=0.5), doubtful).tags == ("dog",)
    assert apply(Prune(implications=table, margin=0.7), doubtful).tags == ("beagle",)
    assert apply(Prune(implications=table, margin=0.5, keep=("beagle",)), doubtful).tags == ("beagle",)
    unknown = make("dog", "beagle", scores={"dog": 0.99})
    assert apply(Prune(implications=table, margin=0.5), unknown).tags == ("beagle",)


def test_many_tags_are_warned_about(apply: Any) -> None:
    after = apply(Prune(implications="none"), make(*(f"t{i}" for i in range(21))))
    assert "21 tags are many" in after.notes[0]
    assert not apply(Prune(implications="none"), make(*(f"t{i}" for i in range(20)))).notes


# trigger
# ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "trigger", "before", "after"),
    [
        ({}, ("zwx dog",), ("a", "b"), ("zwx dog", "a", "b")),
        ({}, ("zwx dog", "coat"), ("a", "coat", "ZWX_Dog"), ("zwx dog", "coat", "a")),
        ({"pin": ("b", "long hair")}, ("t",), ("a", "long_hair", "b"), ("t", "b", "long_hair", "a")),
        ({"pin": ("missing",)}, ("t",), ("a",), ("t", "a")),
        ({"words": ("new",)}, ("t",), ("t", "a"), ("new", "a")),
        ({"words": (" two  words ", "x")}, (), ("a",), ("two words", "x", "a")),
        ({}, (), ("a",), ("a",)),
    ],
)
def test_trigger(apply: Any, options: Any, trigger: Any, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    once = apply(Trigger(**options), make(*before, trigger=trigger))
    assert once.tags == after
    assert once.tags[: len(once.trigger)] == once.trigger
    assert apply(Trigger(**options), once).tags == after


def test_the_written_caption_begins_with_the_trigger(apply: Any) -> None:
    after = apply(Trigger(), make("long_hair", sentence="It runs.", trigger=("zwx_dog v2",)))
    assert captions.render(after) == "zwx_dog v2, long hair, It runs."


# keys, and running twice
# ----------------------------------------------------------------------------------------------------


def test_a_new_trigger_does_not_run_captions_and_prune_again(table: str) -> None:
    for stage in (Captions(), Prune(implications=table)):
        assert stage.key_fields(make("a", trigger=("x",))) == stage.key_fields(make("a", trigger=("y", "z")))
        assert stage.key_fields(make("a", "x", trigger=("x",))) != stage.key_fields(make("a", "x", trigger=("y",)))
        assert stage.key_fields(make("a")) != stage.key_fields(make("b"))


def test_scores_enter_the_key_only_where_they_matter(table: str) -> None:
    one, other = make("a", "b", scores={"a": 0.4}), make("a", "b", scores={"a": 0.5})
    for stage in (Captions(), Prune(implications=table), Prune(implications=table, cap=2)):
        assert stage.key_fields(one) == stage.key_fields(other)
    for stage in (
        Captions(cap=1),
        Captions(order="score"),
        Prune(implications=table, cap=1),
        Prune(implications=table, margin=0.1),
    ):
        assert stage.key_fields(one) != stage.key_fields(other)


def test_a_table_from_a_file_enters_the_key(table: str, env: Env) -> None:
    assert [str(f) for f in Prune(implications=table).files(env)] == [table]
    assert Prune(implications="none").files(env) == ()


WORDS = "beagle dog canine animal wolf_girl wolf_ears 1girl grass zwx_dog a b c d"
TAGS = st.lists(st.sampled_from(WORDS.split(" ")), unique=True)


@given(TAGS, st.integers(0, 4))
def test_twice_is_once(tmp_path_factory: Any, tags: list[str], cap: int) -> None:
    path = tmp_path_factory.getbasetemp() / "table.csv"
    path.write_text(TABLE)
    env = Env(root=path, output=path, pictures=None)  # type: ignore[arg-type]
    stages: list[RecordStage] = [
        Captions(blacklist=("a",), add_if={"b": ("c",)}, order="name", cap=cap),
        Prune(implications=str(path), cap=cap),
        Trigger(pin=("d", "grass")),
    ]
    for stage in stages:
        with stage.open(env) as worker:
            (once,) = worker([make(*tags)])
            (twice,) = worker([once])
        assert twice.tags == once.tags
        assert set(once.tags) <= {*tags, "c", "zwx dog"}
