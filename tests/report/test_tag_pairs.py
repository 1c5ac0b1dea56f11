"""Which tags stand together is counted as it would be by hand."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.core.record import Image, Record
from curate.report.tag_pairs import TagPair, tag_pairs


def records(*tags: tuple[str, ...]) -> list[Record]:
    return [
        Record(f"dog/{n}.png", "dog", "o", Image("d"), trigger=("zwx",), tags=("zwx", *t)) for n, t in enumerate(tags)
    ]


def test_tags_that_never_stand_alone_come_first() -> None:
    found = tag_pairs(
        records(
            ("hat", "coat"),
            ("hat", "coat"),
            ("hat", "coat"),
            ("sun", "sea"),
            ("sun", "sea", "hat", "coat"),
            ("sun", "sea"),
            ("sun",),
        )
    )
    assert found.closest[:2] == (TagPair("coat", "hat", 4, 1.0), TagPair("sun", "sea", 3, 0.75))
    assert found.tags == ("coat", "hat", "sun", "sea")
    assert found.counts == ((4, 4, 1, 1), (4, 4, 1, 1), (1, 1, 4, 3), (1, 1, 3, 3))


def test_tags_on_every_picture_and_rare_pairs_are_no_pairs() -> None:
    assert tag_pairs(records(*[("dog", "coat")] * 2, *[("dog",)] * 3)).closest == ()
    assert tag_pairs([]).tags == ()


@given(st.lists(st.sets(st.sampled_from("abcdef")).map(tuple), max_size=12))
@settings(deadline=None, max_examples=40)
def test_counts_are_those_by_hand(rows: list[tuple[str, ...]]) -> None:
    found = tag_pairs(records(*rows))
    for (i, first), (j, second) in combinations(enumerate(found.tags), 2):
        assert found.counts[i][j] == found.counts[j][i] == sum(first in row and second in row for row in rows)
    for pair in found.closest:
        both = sum({pair.first, pair.second} <= set(row) for row in rows)
        either = sum(bool({pair.first, pair.second} & set(row)) for row in rows)
        assert (pair.pictures, pair.share) == (both, both / either) and both >= 3
