"""The order of training: everything seen, batches of one group, the same from any step on."""

from __future__ import annotations

from collections import Counter
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from curate.train.data.order import Order, Showing


@given(
    groups=st.lists(st.sampled_from("abc"), min_size=1, max_size=12),
    repeats=st.integers(1, 4),
    batch=st.integers(1, 5),
    accumulate=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_every_showing_once_per_epoch(groups: list[str], repeats: int, batch: int, accumulate: int, seed: int) -> None:
    order = Order(groups, [repeats] * len(groups), batch, accumulate, seed)
    steps = order.epoch(0)
    batches = list(chain.from_iterable(steps))
    shown = Counter((s.picture, s.repeat) for b in batches for s in b)
    assert shown == Counter((p, r) for p in range(len(groups)) for r in range(repeats))
    assert all(len({groups[s.picture] for s in b}) == 1 and len(b) <= batch for b in batches)
    assert len(batches) == order.batches_per_epoch
    assert len(steps) == order.steps_per_epoch and all(len(s) == accumulate for s in steps[:-1])


def test_goes_on_from_any_step() -> None:
    order = Order(["a", "a", "b", "b", "b"], [2, 1, 1, 3, 1], 2, 2, 5)
    whole = list(order.steps(0, 17))
    assert [s for s, _, _ in whole] == list(range(17))
    for first in range(17):
        assert list(order.steps(first, 17)) == whole[first:]


def test_epochs_and_seeds_differ() -> None:
    order = Order(["a"] * 8, [1] * 8, 1, 1, 0)
    pictures = [[s.picture for step in order.epoch(e) for b in step for s in b] for e in range(3)]
    other = [s.picture for step in Order(["a"] * 8, [1] * 8, 1, 1, 1).epoch(0) for b in step for s in b]
    assert len({tuple(p) for p in [*pictures, other]}) == 4


def test_showings_have_draws_of_their_own() -> None:
    seeds = {
        Showing(p, r, e).seed(s, u) for p in (0, 1) for r in (0, 1) for e in (0, 1) for s in (0, 1) for u in ("a", "b")
    }
    assert len(seeds) == 32
