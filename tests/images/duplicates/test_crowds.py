"""Crowds of look-alike pictures: few comparisons each, the copies found, everything outside of crowds as before."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curate.core.record import Image, Record
from curate.core.stage import Pixels
from curate.images.duplicates import crowds
from curate.images.duplicates.grouping import FACT, LEADS, choose
from curate.images.duplicates.likeness import Likeness, likeness, small
from curate.images.duplicates.pairs import Pairs

SAME = Likeness(0.99, 1.0)


def picture(kind: int, seed: int) -> NDArray[np.uint8]:
    """A picture of a kind; each of the seeds is a copy with noise."""
    own = np.random.default_rng(kind).integers(0, 256, (16, 16, 3))
    return np.clip(own + np.random.default_rng([kind, seed]).integers(-2, 3, own.shape), 0, 255).astype(np.uint8)


class Compared:
    """Says that pictures of one kind are alike, and counts how often it is asked."""

    def __init__(self, kinds: Sequence[int]) -> None:
        self.kinds, self.count = kinds, 0

    def __call__(self, pairs: Sequence[crowds.Pair]) -> list[Likeness | None]:
        self.count += len(pairs)
        return [SAME if self.kinds[a] == self.kinds[b] else None for a, b in pairs]

    def preview(self, index: int) -> NDArray[np.uint8]:
        return picture(self.kinds[index], index)


def all_pairs(count: int) -> Pairs:
    return np.array(list(itertools.combinations(range(count), 2)))


def test_what_resembles_few_others_is_compared_with_all_of_them() -> None:
    plain, crowded = crowds.split(all_pairs(20))
    assert plain.tolist() == all_pairs(20).tolist() and not crowded


def test_copies_in_a_crowd_are_compared_with_one_of_them() -> None:
    compared = Compared([0] * 300)
    plain, crowded = crowds.split(all_pairs(300))
    matches = list(crowds.search(crowded, compared.preview, compared))
    assert not len(plain) and {(a, b) for a, b, _ in matches} == {(0, b) for b in range(1, 300)}
    assert compared.count == 299


def test_different_pictures_in_a_crowd_are_compared_with_the_most_similar_few() -> None:
    kinds = [n // 2 for n in range(300)]  # of each picture one copy
    np.random.default_rng(0).shuffle(kinds)
    compared = Compared(kinds)
    _, crowded = crowds.split(all_pairs(300))
    matches = {(a, b) for a, b, _ in crowds.search(crowded, compared.preview, compared)}
    assert matches == {(a, b) for a, b in itertools.combinations(range(300), 2) if kinds[a] == kinds[b]}
    assert compared.count < 20 * 300


def record(name: str, area: int, **facts: object) -> Record:
    shown = {"pixels": name, "noise": 0.0, "blocks": 0.0, "sharpness": 1.0, "area": area, "reduced": False}
    return Record(f"dog/{name}", "dog", name, Image(name), facts={"fingerprint": shown, **facts})


def test_of_a_crowd_the_best_picture_stays_whichever_the_others_were_compared_with() -> None:
    alike = {f"dog/{n}": (0.99, 1.0) for n in "bcd"}
    for leads, expected in ((True, ["dog/a", "dog/b", "dog/d"]), (False, ["dog/a"])):
        facts = {LEADS: True} if leads else {}
        rows = [record("a", 10, **{FACT: alike}, **facts), record("b", 10), record("c", 20), record("d", 10)]
        [(kept, copies), *_] = choose({r.key: r for r in rows}, "largest")
        assert kept.key == "dog/c" and sorted(copy.key for copy, _ in copies) == expected


def test_blanks_are_alike_where_their_colors_are_whatever_their_shapes() -> None:
    def blank(red: int, width: int = 64) -> Pixels:
        return np.full((64, width, 3), (red, 90, 90), np.uint8)

    assert likeness(small(blank(90)), small(blank(92, 48)), parts=True).correlation == 1
    assert likeness(small(blank(90)), small(blank(130, 48)), parts=True).correlation < 0.92


def test_of_many_blanks_those_of_nearly_one_color_are_compared_first() -> None:
    colors = [(n % 50 * 5, n // 50 * 5, 90) for n in range(1000)]
    colors.append((3, 0, 90))  # nearest to the first
    asked: list[int] = []

    def compare(pairs: Sequence[crowds.Pair]) -> list[Likeness | None]:
        asked.extend(b for a, b in pairs if a == 0)
        return [None for _ in pairs]

    def preview(index: int) -> NDArray[np.uint8]:
        return np.full((16, 16, 3), colors[index], np.uint8)

    list(crowds.search({0: np.arange(1, 1001)}, preview, compare))
    assert asked[0] == 1000
