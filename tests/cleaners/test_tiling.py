"""Tiles: weights add up, seams are invisible, memory running out means smaller tiles."""

import numpy as np
import pytest

from cleaners.errors import MemoryShortError
from cleaners.upscalers.tiling import CONTEXT, SMALLEST, Tiler, windows


class Blur:
    """A network with a known field of view: a mean over (2·reach+1)² pixels, zero outside, then repeated."""

    def __init__(self, scale: int = 2, reach: int = 20, side: int = 0, most: int = 10**9) -> None:
        self.scale, self.reach, self.side, self.most = scale, reach, side, most
        self.per_pixel = 1
        self.shapes: list[tuple[int, ...]] = []
        self.free = 1 << 40

    def __call__(self, tiles: np.ndarray) -> np.ndarray:
        import cv2

        self.shapes.append(tiles.shape)
        if tiles.shape[0] * tiles.shape[1] * tiles.shape[2] > self.most:
            raise MemoryError("no")
        kernel = 2 * self.reach + 1
        done = [cv2.blur(np.array(tile), (kernel, kernel), borderType=cv2.BORDER_CONSTANT) for tile in tiles]
        return np.stack(done).repeat(self.scale, axis=1).repeat(self.scale, axis=2)

    def memory(self) -> int:
        return self.free


@pytest.mark.parametrize("length", [1, 64, 111, 112, 113, 160, 300, 1000, 1237])
@pytest.mark.parametrize("side", [64, 112, 128, 256])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_weights_add_up_and_stay_away_from_inner_edges(length: int, side: int, scale: int):
    total = np.zeros(length * scale)
    found = windows(length, side, scale)
    for window in found:
        part = slice(window.start * scale, window.start * scale + len(window.weight))
        assert part.stop <= length * scale
        total[part] += window.weight
        if side >= SMALLEST:
            inner = CONTEXT * scale
            assert window.start == 0 or not window.weight[:inner].any()
            assert part.stop == length * scale or not window.weight[-inner:].any()
    assert np.allclose(total, 1, atol=1e-5)
    assert len({len(window.weight) for window in found}) == 1


@pytest.mark.parametrize("tile", [112, 128, 200, 256])
@pytest.mark.parametrize("shape", [(300, 411), (90, 500), (500, 90), (257, 257)])
def test_no_seam_within_the_field_of_view(picture, tile: int, shape: tuple[int, int]):
    whole = Tiler(Blur(), tile=4096)(picture(*shape))
    network = Blur()
    tiled = Tiler(network, tile=tile)(picture(*shape))
    assert tiled.shape == (shape[0] * 2, shape[1] * 2, 3)
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert max(max(s[1:3]) for s in network.shapes) <= tile
    assert sum(s[0] for s in network.shapes) > 1


def test_a_field_of_view_beyond_the_margin_would_show(picture):
    """The test above can fail: with a wider field the tiles do differ from the whole."""
    whole = Tiler(Blur(reach=50), tile=4096)(picture(300, 411))
    tiled = Tiler(Blur(reach=50), tile=112)(picture(300, 411))
    assert np.abs(tiled.astype(int) - whole).max() > 2


def test_equal_tiles_go_together(picture):
    network = Blur()
    Tiler(network, tile=128)(picture(128, 900))
    assert network.shapes[0][0] > 1
    assert {s[1:] for s in network.shapes} == {(128, 128, 3)}


def test_memory_running_out_means_smaller_tiles_and_is_remembered(picture, caplog):
    network = Blur(most=200 * 200)
    tiler = Tiler(network)
    whole = Tiler(Blur(), tile=4096)(picture(700, 600))
    assert np.abs(tiler(picture(700, 600)).astype(int) - whole).max() <= 1
    assert "memory ran out" in caplog.text
    failures = sum(s[0] * s[1] * s[2] > network.most for s in network.shapes)
    assert failures >= 1
    network.shapes.clear()
    tiler(picture(700, 600))
    assert all(s[0] * s[1] * s[2] <= network.most for s in network.shapes)


def test_tile_size_follows_free_memory(picture):
    network = Blur()
    network.free, network.per_pixel = 2 * 256 * 256 * 10, 10
    Tiler(network)(picture(700, 600))
    assert {s[1:3] for s in network.shapes} == {(256, 256)}


def test_nothing_fits(picture):
    with pytest.raises(MemoryShortError, match="112 pixels"):
        Tiler(Blur(most=10))(picture(300, 300))


@pytest.mark.parametrize("shape", [(64, 64), (20, 30), (200, 150), (3, 200)])
def test_networks_of_one_input_size(picture, shape: tuple[int, int]):
    network = Blur(reach=4, side=64)
    found = Tiler(network)(picture(*shape))
    assert found.shape == (shape[0] * 2, shape[1] * 2, 3)
    assert {s[1:3] for s in network.shapes} == {(64, 64)}
    if min(shape) >= 64:
        whole = Tiler(Blur(reach=4), tile=4096)(picture(*shape))
        assert np.abs(found.astype(int) - whole).max() <= 1
