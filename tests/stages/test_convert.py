"""Stage convert on files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from curate.errors import PictureError
from curate.stages.convert import Convert
from tests.stages.helpers import env, held, record, run


@pytest.fixture
def sprite(tmp_path: Path) -> Path:
    rgba = np.zeros((6, 4, 4), np.uint8)
    rgba[2:4, 1:3] = (200, 100, 50, 128)
    path = tmp_path / "a b.png"
    Image.fromarray(rgba).save(path)
    return path


def test_background_facts_and_encoding(tmp_path: Path, sprite: Path) -> None:
    where = env(tmp_path)
    (done,) = run(Convert(background="#000000", format="webp", quality=80), where, record(sprite))
    assert done.encoding == "webp:80"
    assert (done.image.width, done.image.height) == (4, 6)
    assert (done.facts["had_alpha"], done.facts["format"], done.facts["mode"]) == (True, "PNG", "RGBA")
    pixels = where.pixels(done)
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[2, 1].tolist() == [100, 50, 25]


def test_png_level_is_named_in_the_encoding() -> None:
    assert Convert().encoding == "png"
    assert Convert(png_level=0).encoding == "png:0"
    assert Convert(format="jpeg").encoding == "jpeg:95"


def test_frames_become_records_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    pictures = [Image.new("L", (5, 5), 50 * i) for i in range(4)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    assert len(run(Convert(), env(tmp_path), record(path))) == 1
    where = env(tmp_path)
    done = run(Convert(frames="every", every=2), where, record(path))
    assert [r.key for r in done] == ["dog/a.gif#1", "dog/a.gif#2"]
    assert [int(where.pixels(r)[0, 0, 0]) for r in done] == [0, 100]
    assert len(run(Convert(frames="all"), env(tmp_path), record(path))) == 4


def test_a_picture_already_in_memory_is_not_read_again(tmp_path: Path) -> None:
    where = env(tmp_path)
    before = held(where, np.full((3, 3, 3), 9, np.uint8))
    (done,) = run(Convert(format="jpeg"), where, before)
    assert done.encoding == "jpeg:95"
    assert (where.pixels(done) == 9).all()


def test_facts_of_the_source_survive_a_second_convert(tmp_path: Path, sprite: Path) -> None:
    where = env(tmp_path)
    (once,) = run(Convert(), where, record(sprite))
    written = tmp_path / "out.png"
    where.pictures.write(where.pixels(once), written, "png")
    second = env(tmp_path)
    (twice,) = run(Convert(), second, record(written).noting(**once.facts))
    assert twice.facts["had_alpha"] is True
    assert np.array_equal(second.pixels(twice), where.pixels(once))


def test_limits_reach_the_decoder(tmp_path: Path, sprite: Path) -> None:
    with pytest.raises(PictureError, match="limit"):
        run(Convert(max_pixels=23), env(tmp_path), record(sprite))


def test_scaled_decoding(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (640, 320)).save(path)
    (done,) = run(Convert(at_least=160), env(tmp_path), record(path))
    assert (done.image.width, done.facts["width"]) == (160, 640)


def test_options_are_checked_and_pickle() -> None:
    with pytest.raises(ValidationError, match="not a color"):
        Convert(background="whitte")
    stage = Convert(background="#123456")
    assert pickle.loads(pickle.dumps(stage)) == stage


def test_what_was_read_of_a_damaged_file_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    Image.new("RGB", (40, 40), "red").save(path)
    path.write_bytes(path.read_bytes()[:-2400])
    (done,) = run(Convert(accept_truncated=True), env(tmp_path), record(path))
    assert done.notes == ("a damaged file: 20 of 40 rows could be read",)
