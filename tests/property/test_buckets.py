"""Buckets: every picture fits its bucket, and no bucket is larger than it may be."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from curate.train.data.buckets import Fit, enlargement, fit, fit_no_upscale, resolutions

sides = st.integers(1, 6000)
grids = st.tuples(st.sampled_from((256, 512, 640, 768, 1024)), st.sampled_from((8, 32, 64)))


def fits(found: Fit, step: int) -> bool:
    """The crop lies within the scaled picture, in the middle, and has sides in steps."""
    (wide, high), (scaled_wide, scaled_high) = found.bucket, found.scaled
    spare = scaled_wide - wide, scaled_high - high
    middle = (found.left, found.top) == (spare[0] // 2, spare[1] // 2)
    return min(spare) >= 0 and middle and wide % step == high % step == 0


@given(sides, sides, grids)
@settings(max_examples=150, deadline=None)
def test_every_picture_fits_a_bucket(width: int, height: int, grid: tuple[int, int]) -> None:
    resolution, step = grid
    sizes = resolutions(resolution, max(step, resolution // 2), resolution * 2, step)
    assert all(w * h <= resolution**2 for w, h in sizes)
    found = fit(width, height, sizes)
    assert found.bucket in sizes and fits(found, step)
    # one side is cut at most: the picture is no larger than it has to be
    assert min(found.scaled[0] - found.bucket[0], found.scaled[1] - found.bucket[1]) == 0


@given(sides, sides, grids)
@settings(max_examples=150, deadline=None)
def test_a_picture_lying_or_standing_is_treated_alike(width: int, height: int, grid: tuple[int, int]) -> None:
    resolution, step = grid
    sizes = resolutions(resolution, max(step, resolution // 2), resolution * 2, step)
    assert {(h, w) for w, h in sizes} == set(sizes)
    assert enlargement(width, height, resolution, step) > 0
    assert fit(*fit(width, height, sizes).bucket, sizes).scaled == fit(width, height, sizes).bucket


@given(sides, sides, grids)
@settings(max_examples=150, deadline=None)
def test_without_upscaling_no_picture_grows_but_to_one_step(width: int, height: int, grid: tuple[int, int]) -> None:
    resolution, step = grid
    found = fit_no_upscale(width, height, resolution, step)
    assert fits(found, step)
    if min(found.bucket) > step:
        # kohya rounds one side: of a picture that is scaled, the bucket's area may pass the limit by that rounding
        assert found.bucket[0] * found.bucket[1] <= resolution**2 * 1.1
        assert found.scaled[0] <= width + 1 and found.scaled[1] <= height + 1
