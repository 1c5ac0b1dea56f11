"""Pillow's and libtiff's switches: set inside the block, as before after it, whatever threads and errors do."""

from __future__ import annotations

import random
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin

from curate.errors import PictureError
from curate.images import DecodeOptions, masks, read_frames, read_picture
from curate.images.decode import pillow_settings
from curate.images.decode.pillow_settings import by_libtiff, settings


def switches() -> tuple[Any, ...]:
    """What a block may change, libtiff's handlers of messages included."""
    handlers = pillow_settings._set_handlers((None, None))
    pillow_settings._set_handlers(handlers)
    truncated, libtiff = ImageFile.LOAD_TRUNCATED_IMAGES, TiffImagePlugin.READ_LIBTIFF
    return (Image.MAX_IMAGE_PIXELS, truncated, PngImagePlugin.MAX_TEXT_CHUNK, libtiff, handlers, list(warnings.filters))


def set_now() -> tuple[Any, ...]:
    return Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, TiffImagePlugin.READ_LIBTIFF


def together(*works: Callable[[], object]) -> None:
    """Carries them out in threads; the first error of one is raised."""
    errors: list[BaseException] = []

    def carry_out(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=carry_out, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_everything_is_put_back(error: type[BaseException] | None) -> None:
    before = switches()
    try:
        with settings(1000, True):
            assert all(one != other for one, other in zip(switches(), before, strict=True) if one is not before[3])
            assert set_now() == (501, True, False)
            if error:
                raise error
    except (ValueError, KeyboardInterrupt) as raised:
        assert type(raised) is error
    assert switches() == before


def test_an_inner_block_has_its_own_settings() -> None:
    before = switches()
    with settings(1000):
        with pytest.raises(ValueError, match="wrong"), settings(3000, True), by_libtiff():
            assert set_now() == (1501, True, True)
            raise ValueError("wrong")
        assert set_now() == (501, False, False)
        with by_libtiff():
            assert set_now() == (501, False, True)
        assert set_now() == (501, False, False)
    assert switches() == before


def test_threads_see_only_their_own_settings() -> None:
    """Blocks in blocks, of four threads that want other settings each time."""
    before = switches()

    def work(seed: int) -> Callable[[], None]:
        dice = random.Random(seed)

        def enter(depth: int) -> None:
            wanted = (dice.choice([100, 200, 300]), dice.random() < 0.5)
            with settings(*wanted):
                for _ in range(dice.randrange(3) if depth < 3 else 0):
                    enter(depth + 1)
                    assert set_now() == (wanted[0] // 2 + 1, wanted[1], False)
                time.sleep(0.0002)
                assert set_now() == (wanted[0] // 2 + 1, wanted[1], False)

        return lambda: [enter(0) for _ in range(30)] and None

    together(*(work(seed) for seed in range(4)))
    assert switches() == before


def test_a_thread_that_wants_other_settings_gets_its_turn() -> None:
    """Two threads that are never outside at the same time do not keep a third one waiting for ever."""
    done = threading.Event()

    def overlap() -> None:
        while not done.is_set():
            with settings(1000):
                time.sleep(0.002)

    def other() -> None:
        time.sleep(0.02)
        with settings(2000):
            assert set_now() == (1001, False, False)
        done.set()

    together(overlap, overlap, other)


def planes(pages: np.ndarray) -> bytes:
    """An unpacked TIFF of several pages, N×H×W×3 of 16 bits, its planes one after the other."""
    content, link = bytearray(b"II*\0" + bytes(4)), 4
    for page in pages.astype("<u2"):
        height, width, count = page.shape
        starts = [len(content) + n * page[:, :, 0].nbytes for n in range(count)]
        content += page.transpose(2, 0, 1).tobytes()
        lists = {258: [16] * count, 273: starts, 279: [page[:, :, 0].nbytes] * count}
        single = {256: width, 257: height, 259: 1, 262: 2, 277: count, 278: height, 284: 2}
        at: dict[int, int] = {}
        for tag, values in lists.items():
            at[tag] = len(content)
            content += np.array(values, "<u4").tobytes()
        content[link : link + 4] = len(content).to_bytes(4, "little")
        content += len(lists | single).to_bytes(2, "little")
        for tag in sorted(lists | single):
            entry = (tag, 4, len(lists[tag]), at[tag]) if tag in lists else (tag, 4, 1, single[tag])
            content += b"".join(n.to_bytes(size, "little") for n, size in zip(entry, (2, 2, 4, 4), strict=True))
        link = len(content)
        content += bytes(4)
    return bytes(content)


def test_every_page_of_a_tiff_in_planes_is_read_by_libtiff(tmp_path: Path) -> None:
    pages = np.random.default_rng(2).integers(0, 65536, (3, 12, 17, 3))
    path = tmp_path / "a.tif"
    path.write_bytes(planes(pages))
    before = switches()
    frames = [frame.pixels.astype(int) for frame in read_frames(path, DecodeOptions(every=1))]
    assert len(frames) == 3
    assert all(np.abs(frame - page / 257).max() <= 1 for frame, page in zip(frames, pages, strict=True))
    assert switches() == before


def test_threads_read_tiffs_in_planes_beside_other_pictures(tmp_path: Path) -> None:
    page = np.random.default_rng(3).integers(0, 65536, (1, 12, 17, 3))
    (tmp_path / "a.tif").write_bytes(planes(page))
    Image.new("RGB", (5, 5), (1, 2, 3)).save(tmp_path / "b.png")
    before = switches()

    def tiffs() -> None:
        for _ in range(40):
            assert np.abs(read_picture(tmp_path / "a.tif").pixels - page[0] / 257).max() <= 1

    def pngs() -> None:
        for _ in range(40):
            assert (read_picture(tmp_path / "b.png").pixels == (1, 2, 3)).all()

    together(tiffs, tiffs, pngs)
    assert switches() == before


@pytest.mark.parametrize("as_mask", [False, True], ids=["picture", "mask"])
def test_libtiff_writes_nothing_to_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], as_mask: bool
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(path, compression="tiff_lzw")
    content = bytearray(path.read_bytes())
    content[100:4000] = bytes(3900)
    path.write_bytes(content)
    with pytest.raises(PictureError):
        masks.read(path) if as_mask else read_picture(path)
    assert capfd.readouterr().err == ""
    with pytest.raises(OSError, match="decoder error"), Image.open(path) as image:
        image.load()
    assert "LZW" in capfd.readouterr().err  # outside the block libtiff says what it always says
