"""Screening: both findings are needed, from any source, for every vocabulary; and nothing turns it off."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from taggers import underage_screening
from taggers.underage_screening import SEXUAL, YOUNG, screen

Scores = dict[str, tuple[float, str]]


def rated(**ratings: float) -> Scores:
    return {t: (s, "rating") for t, s in ratings.items()}


def tagged(**tags: float) -> Scores:
    return {t: (s, "general") for t, s in tags.items()}


SAFE, EXPLICIT = rated(general=0.9, explicit=0.05), rated(general=0.1, explicit=0.8)


@pytest.mark.parametrize(
    ("scores", "aside"),
    [
        ({**EXPLICIT, **tagged(child=0.9)}, True),
        ({**EXPLICIT, **tagged(child=0.25)}, True),
        ({**EXPLICIT, **tagged(child=0.24)}, False),
        ({**SAFE, **tagged(child=0.9)}, False),
        ({**EXPLICIT, **tagged(woman=0.9)}, False),
        ({**rated(general=0.2, sensitive=0.1, questionable=0.7), **tagged(loli=0.5)}, True),
        ({**rated(general=0.35, sensitive=0.1, questionable=0.3, explicit=0.25), **tagged(shota=0.5)}, True),
        ({**rated(general=0.6, sensitive=0.3, questionable=0.1), **tagged(child=0.9, nipples=0.5)}, False),
        ({**rated(general=0.6, sensitive=0.3, questionable=0.1), **tagged(child=0.9, nipples=0.6)}, True),
        ({}, False),
    ],
)
def test_models_with_a_rating(scores: Scores, aside: bool) -> None:
    assert bool(screen({"wd": scores})) == aside


@pytest.mark.parametrize(("score", "aside"), [(0.34, False), (0.35, True)])
def test_models_without_a_rating_by_their_tags(score: float, aside: bool) -> None:
    assert bool(screen({"pixai": tagged(child=0.5, nude=score)})) == aside
    assert bool(screen({"jtp": tagged(cub=0.5, genitals=score)}, vocabularies={"jtp": "e621"})) == aside


@pytest.mark.parametrize("vocabulary", ["danbooru", "e621"])
def test_every_tag_of_every_list_counts(vocabulary: str) -> None:
    speaks = {"m": vocabulary}
    for tag in YOUNG[vocabulary]:
        assert screen({"m": {**EXPLICIT, tag: (0.5, "general")}}, vocabularies=speaks), tag
    for tag in SEXUAL[vocabulary]:
        assert screen({"m": {"child": (0.5, "general"), tag: (0.9, "general")}}, vocabularies=speaks), tag
        assert screen({}, ["child", tag]), tag


def test_an_unknown_vocabulary_is_screened_by_all_lists() -> None:
    assert screen({"mine": {**EXPLICIT, **tagged(cub=0.5)}})
    assert screen({"mine": {**EXPLICIT, **tagged(loli=0.5)}})


def test_e621_ratings() -> None:
    assert screen({"m": {**rated(safe=0.1, questionable=0.8), **tagged(young=0.5)}}, vocabularies={"m": "e621"})
    assert not screen({"m": {**rated(safe=0.8, questionable=0.1), **tagged(young=0.5)}}, vocabularies={"m": "e621"})


def test_findings_of_several_sources_add_up() -> None:
    assert screen({"a": EXPLICIT, "b": tagged(child=0.5)})
    assert screen({"a": EXPLICIT}, ["child"])
    assert screen({"a": tagged(child=0.5)}, ["nude"])
    assert screen({"a": {**SAFE, **tagged(child=0.5)}}, (), "a nude figure")


@pytest.mark.parametrize(
    ("tags", "sentence", "aside"),
    [
        (["child", "nude"], "", True),
        (["Female Child", "Completely Nude"], "", True),
        (["loli", "rating:explicit"], "", True),
        (["child", "dress"], "", False),
        (["children's_drawing", "nude"], "", False),
        ([], "A nude child on a bed.", True),
        ([], "A childhood friend in a nudist colony.", False),
        (["child"], "Completely nude.", True),
        # phrases among the tags, weights and brackets of prompts, short ratings
        (["nude little girl"], "", True),
        (["two naked kids", "beach"], "", True),
        (["(child:1.2)", "((nude))"], "", True),
        (["loli", "rating: e"], "", True),
        (["kid icarus", "child's drawing", "baby blue eyes", "nude"], "", False),
        # plurals and ages, and what only sounds alike
        ([], "Two nude toddlers at the sea.", True),
        ([], "A naked 12-year-old.", True),
        ([], "A naked 42-year-old.", False),
        ([], "A nude young woman and a young man.", False),
        ([], "A nude young wolf.", True),
        ([], "A young dog with two balls and a knot of rope, its oral hygiene is questionable.", False),
        ([], "A child and a missionary.", False),
    ],
)
def test_captions(tags: list[str], sentence: str, aside: bool) -> None:
    assert bool(screen({}, tags, sentence)) == aside


def test_the_reason_names_both_findings() -> None:
    reason = screen({"wd": {**EXPLICIT, **tagged(child=0.4)}})
    assert "rating explicit 0.80 by wd" in reason
    assert "child 0.40 by wd" in reason


def test_there_is_no_switch() -> None:
    parameters = inspect.signature(screen).parameters
    assert set(parameters) == {"scores", "tags", "sentence", "vocabularies"}
    for table in (YOUNG, SEXUAL):
        with pytest.raises(TypeError):
            table["danbooru"] = frozenset()  # type: ignore[index]
        assert all(isinstance(words, frozenset) and words for words in table.values())


def test_the_floor_of_scores_keeps_what_the_screening_needs() -> None:
    from curate.stages.tag import Tag

    limit: Any = next(m for m in Tag.model_fields["floor"].metadata if hasattr(m, "le"))
    assert limit.le <= min(underage_screening.YOUNG_THRESHOLD, underage_screening.SEXUAL_THRESHOLD)
