"""Known sizes: what another process reads of the sizes of pictures is what was sent to it."""

from __future__ import annotations

from curate.drive.known_sizes import KnownSizes, lines


def test_sizes_come_back_by_name() -> None:
    sizes = {f"1_dög/{n}.png": (n % 3 and 640, n % 2 + 480) for n in range(5000)}
    sent = list(lines(sizes.items()))
    assert len(sent) < 20
    known = KnownSizes(sent)
    assert {name: known.get(name, (-1, -1)) for name in sizes} == sizes
    assert known.get("1_dög/5000.png", (0, 0)) == (0, 0)


def test_no_sizes_are_none() -> None:
    assert KnownSizes(lines([])).get("a.png", (0, 0)) == (0, 0)
