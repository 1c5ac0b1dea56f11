"""What is shown of a caption: what stays in front, and how often what else is seen."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations

import pytest

from curate.train.data import captions
from curate.train.options import TrainOptions

ROUNDS = 6000


def many(caption: str, trigger: str = "zwx dog", **options: object) -> Counter[str]:
    """How often each form of a caption is shown."""
    asked, draw = TrainOptions(base="tiny", **options), random.Random(1)  # type: ignore[arg-type]
    return Counter(captions.shown(caption, trigger, asked, 0, draw) for _ in range(ROUNDS))


@pytest.mark.parametrize(
    ("caption", "trigger", "separator", "fixed"),
    [
        ("zwx dog, brown, dog", "zwx dog", ",", 1),
        ("zwx dog, dog, brown", "zwx dog", ",", 1),
        ("zwx, dog, brown", "zwx dog", ",", 2),
        ("zwx dog, blue robe, blue, robe", "zwx dog, blue robe", ",", 2),
        ("zwx dog brown", "zwx dog", " ", 2),
        ("brown, zwx dog", "zwx dog", ",", 0),
        ("zwx dogs, brown", "zwx dog", ",", 0),
        ("zw, brown", "zwx dog", ",", 0),
        ("re:zero, rem", "re_zero", ",", 1),
        ("犬 ポチ, brown", "犬 ポチ", ",", 1),
        ("", "zwx dog", ",", 0),
        (", zwx dog", "zwx dog", ",", 0),
    ],
)
def test_the_folders_words_stay_in_front(caption: str, trigger: str, separator: str, fixed: int) -> None:
    assert captions.kept(caption, trigger, separator) == fixed


def test_every_order_is_as_likely_and_the_trigger_stays_first() -> None:
    seen = many("zwx dog, a, b, c", shuffle=True)
    assert set(seen) == {", ".join(["zwx dog", *order]) for order in permutations("abc")}
    assert all(abs(count / ROUNDS - 1 / 6) < 0.02 for count in seen.values())  # four standard deviations


def test_kept_tokens_are_as_many_as_asked() -> None:
    assert set(many("a, b, c, d", shuffle=True, keep_tokens=2)) == {"a, b, c, d", "a, b, d, c"}
    assert len(many("zwx dog, b, c", shuffle=True, keep_tokens=0)) == 6


def test_tags_are_dropped_as_often_as_asked_and_the_trigger_never() -> None:
    seen = many("zwx dog, a, b", tag_dropout=0.3)
    expected = {"zwx dog, a, b": 0.49, "zwx dog, a": 0.21, "zwx dog, b": 0.21, "zwx dog": 0.09}
    assert set(seen) == set(expected)
    assert all(abs(seen[form] / ROUNDS - share) < 0.03 for form, share in expected.items())


def test_captions_are_dropped_whole_as_often_as_asked() -> None:
    seen = many("zwx dog, a", caption_dropout=0.25)
    assert set(seen) == {"zwx dog, a", ""}
    assert abs(seen[""] / ROUNDS - 0.25) < 0.025


def test_untouched_captions_stay_as_written() -> None:
    assert set(many("zwx dog,a ,  b")) == {"zwx dog,a ,  b"}
    assert set(many("zwx dog;a;b", trigger="zwx dog", tag_dropout=1e-9, caption_separator=";")) == {"zwx dog; a; b"}
