"""Likeness of pictures without light and shade: color alone tells them apart."""

from __future__ import annotations

import numpy as np
import pytest

from curate.images.duplicates.likeness import likeness, small


def plain(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((64, 64, 3), (red, green, blue), np.uint8)


@pytest.mark.filterwarnings("error")
def test_plain_colors_are_alike_where_they_are_the_same() -> None:
    """Of one color all over, a picture has no correlation: it was NaN, which no limit refuses."""
    assert likeness(small(plain(200, 30, 30)), small(plain(200, 30, 30)), parts=False).correlation == 1
    assert likeness(small(plain(200, 30, 30)), small(plain(30, 200, 30)), parts=False).correlation == 0


@pytest.mark.filterwarnings("error")
def test_two_colors_of_one_lightness_are_no_blank_page() -> None:
    halves = plain(128, 128, 128)
    halves[:, 32:] = (0, 194, 128)
    assert likeness(small(halves), small(plain(128, 128, 128)), parts=False).correlation == 0
