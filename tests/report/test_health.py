"""What the report says of a dataset follows from its records."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.record import CaptionStyle, Image, Manifest, Record
from curate.core.stage import Concept
from curate.report import health
from curate.report.page import fitting_of

FITTING = fitting_of({}, 512)


def record(key: str, *tags: str, size: tuple[int, int] = (512, 512), **rest: object) -> Record:
    concept = key.partition("/")[0]
    return Record(
        key, concept, key, Image(key, key, *size), trigger=(f"zwx {concept}",), tags=(f"zwx {concept}", *tags), **rest
    )  # type: ignore[arg-type]


def many(number: int, *tags: str, **rest: object) -> list[Record]:
    return [record(f"dog/{n:03}.png", *tags, **rest) for n in range(number)]  # type: ignore[arg-type]


def said(records: list[Record], **concepts: Concept) -> str:
    return "\n".join(one.message for one in health.advice(Manifest(records), concepts, FITTING))


FIVE = ("a", "b", "c", "d", "e")


def test_shares() -> None:
    rows = [*many(4, repeats=2), record("robe/a.png", repeats=8), record("robe/b.png", aside="broken")]
    dog, robe = health.shares(Manifest(rows))
    assert (dog.concept, dog.came, dog.pictures, dog.repeats, dog.showings, dog.part) == ("dog", 4, 4, (2,), 8, 0.5)
    assert (robe.came, robe.pictures, robe.showings, robe.part) == (2, 1, 8, 0.5)
    assert (dog.part_before, robe.part_before) == (0.8, 0.2)


def test_a_concept_that_lost_everything_is_still_there() -> None:
    (share,) = health.shares(Manifest([record("dog/a.png", aside="broken")]))
    assert (share.came, share.pictures, share.repeats, share.part) == (1, 0, (), 0)


def test_tags_leave_the_trigger_out_and_follow_edits() -> None:
    one = record("dog/a.png", "red_collar", "sitting")
    assert health.tags_of(one) == ("red_collar", "sitting")
    assert health.tags_of(dataclasses.replace(one, edited="zwx dog, blue collar, standing")) == (
        "blue_collar",
        "standing",
    )


def test_frequencies() -> None:
    rows = [record("dog/a.png", "b", "a"), record("dog/b.png", "a", "a"), record("dog/c.png", "b", "c")]
    assert health.frequencies(rows) == [("a", 2), ("b", 2), ("c", 1)]


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 9)), max_size=20))
@settings(deadline=None)
def test_every_picture_of_known_size_is_in_one_bucket(sizes: list[tuple[int, int, int]]) -> None:
    rows = [record(f"dog/{n}", size=(w, h), repeats=r) for n, (w, h, r) in enumerate(sizes)]
    found = health.bucketed(rows, FITTING)
    assert sum(b.pictures for b in found) == len(rows)
    assert sum(b.showings for b in found) == sum(r for *_, r in sizes)
    assert all(w % 64 == 0 and h % 64 == 0 and w * h <= 512 * 512 for w, h in (b.size for b in found))
    small = sum(w < 256 or h < 256 for w, h, _ in sizes)
    assert sum(b.enlarged for b in found) >= small


def test_pictures_of_unknown_size_are_in_no_bucket() -> None:
    assert health.bucketed([record("dog/a", size=(0, 0))], FITTING) == []


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (7, "object", "few for an object: use at least 8"),
        (8, "object", "enough for an object"),
        (50, "character", "enough for a character"),
        (51, "character", "more than a character needs"),
        (49, "style", "few for a style: use at least 50"),
        (200, "style", "enough for a style"),
    ],
)
def test_enough(number: int, kind: str, words: str) -> None:
    assert health.enough(number, kind).startswith(words)  # type: ignore[arg-type]
    mentioned = words in said(many(number, *FIVE), dog=Concept(kind=kind))  # type: ignore[arg-type]
    assert mentioned == (not words.startswith("enough"))


def test_a_healthy_set_needs_no_advice() -> None:
    rows = [record(f"dog/{n}.png", *(f"tag{(n + k) % 12}" for k in range(6))) for n in range(20)]
    assert said(rows) == ""


def test_a_tag_on_nearly_every_picture_is_named_once_it_is() -> None:
    def with_collar(number: int) -> str:
        rest = [[f"tag{(n + k) % 12}" for k in range(6)] for n in range(20)]
        return said(
            [record(f"dog/{n}.png", *tags, *(["red_collar"] if n < number else [])) for n, tags in enumerate(rest)]
        )

    assert "dog: red collar on (nearly) every picture: absorb" in with_collar(18)
    assert "red collar" not in with_collar(17)


def test_white_backgrounds_are_kept_apart_from_what_is_absorbed() -> None:
    text = said(many(10, "white_background", *FIVE))
    assert "every picture is on white" in text
    assert "white background on (nearly)" not in text


def test_too_many_and_too_few_tags() -> None:
    crowded = [record("dog/x.png", *(f"t{n}" for n in range(21)))]
    assert "1 picture with more than 20 tags" in said(crowded)
    assert "more than 20" not in said([record("dog/x.png", *(f"t{n}" for n in range(20)))])
    assert "1 picture with fewer than 5 tags" in said([record("dog/x.png", "a", "b", "c", "d")])
    assert "fewer than 5" not in said([record("dog/x.png", *FIVE)])
    assert "fewer than 5" not in said([record("dog/x.png", "a", sentence="A dog sits in a park.")])
    assert "fewer than 5" not in said([record("dog/x.png", "a", style=CaptionStyle(sentence="only"))])


def test_small_pictures_and_pictures_cut_by_their_bucket() -> None:
    assert "1 picture is smaller than its bucket at resolution 512" in said(
        [record("dog/a.png", *FIVE, size=(400, 400))]
    )
    assert "smaller than" not in said([record("dog/a.png", *FIVE, size=(512, 512))])
    assert "1 picture is cropped by more than 15% to fit its bucket" in said(
        [record("dog/a.png", *FIVE, size=(4000, 500))]
    )
    assert "lose more" not in said([record("dog/a.png", *FIVE, size=(1500, 1000))])
    assert "smaller" not in said([record("dog/a.png", *FIVE, size=(0, 0))])


def test_what_is_set_aside_is_not_judged() -> None:
    assert said([*many(9, *FIVE, size=(100, 100), aside="broken")]) == ""
