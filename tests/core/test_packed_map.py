"""Packed map: it is the mapping that a dict of the same pairs is."""

from __future__ import annotations

import pytest

from curate.core.packed_map import PackedMap


def test_it_holds_what_a_dict_holds() -> None:
    pairs = [(f"dög/{n % 900}.png", f"1_dög/{n}.png") for n in range(1000)]
    made = PackedMap(pairs)
    assert dict(made) == dict(pairs)
    assert len(made) == 900 and made.get("dög/900.png") is None
    with pytest.raises(KeyError):
        made["dög/900.png"]


def test_without_pairs_it_is_empty() -> None:
    assert not PackedMap()
    assert "a" not in PackedMap()
