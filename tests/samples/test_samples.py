"""The sample pictures are what they claim to be, and the script draws them again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from curate import samples
from curate.samples.draw import CAPTIONS, FILES, draw, draw_regularization

PICTURES = samples.folder()


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGBA"), dtype=np.int16)


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw(folder)
    return folder


def test_the_folder_holds_exactly_what_the_script_draws() -> None:
    found = {p.relative_to(PICTURES).as_posix() for p in PICTURES.rglob("*") if p.is_file()}
    assert found == {*FILES, *CAPTIONS}


@pytest.mark.parametrize("name", FILES)
def test_drawing_again_gives_the_same_pixels(again: Path, name: str) -> None:
    # encoders of lossy formats differ a little between library versions; what was drawn does not
    off = np.abs(pixels(again / name) - pixels(PICTURES / name))
    assert off.mean() < (0.05 if name.endswith(".png") else 1.0)


def test_concepts_are_of_unequal_size() -> None:
    assert {d.name: sum(p.suffix != ".txt" for p in d.iterdir()) for d in sorted(PICTURES.iterdir())} == {
        "dog": 7,
        "robe": 4,
        "vase": 3,
    }


def test_sizes() -> None:
    assert sum(p.stat().st_size for p in PICTURES.rglob("*") if p.is_file()) < 600_000
    shapes = {name: pixels(PICTURES / name).shape for name in FILES}
    assert all(256 <= side <= 640 for shape in shapes.values() for side in shape[:2])
    assert len(set(shapes.values())) >= 8


def test_the_webp_is_one() -> None:
    with Image.open(PICTURES / "dog/snow.webp") as picture:
        assert picture.format == "WEBP"


def test_the_cutout_is_transparent_and_opaque_and_between() -> None:
    with Image.open(PICTURES / "robe/cutout.png") as picture:
        assert picture.mode == "RGBA"
        alpha = np.asarray(picture)[..., 3]
    assert 0.2 < (alpha == 0).mean() < 0.8
    assert (alpha == 255).mean() > 0.2
    assert ((alpha > 0) & (alpha < 255)).any()


def test_the_beach_is_stored_on_its_side() -> None:
    with Image.open(PICTURES / "dog/beach.jpg") as picture:
        assert picture.getexif()[0x0112] == 6
        assert picture.width > picture.height
    upright = pixels(PICTURES / "dog/beach.jpg")
    assert upright.shape[0] > upright.shape[1]
    sky, sand = upright[:40, :, :3].mean((0, 1)), upright[-40:, :, :3].mean((0, 1))
    assert sky[2] > sky[0] and sand[0] > sand[2]


def test_the_copy_has_the_same_pixels_in_other_bytes() -> None:
    one, two = PICTURES / "dog/park.png", PICTURES / "dog/park_copy.png"
    assert np.array_equal(pixels(one), pixels(two))
    assert one.read_bytes() != two.read_bytes()
    digests = {hashlib.sha256(pixels(PICTURES / name).tobytes()).digest() for name in FILES}
    assert len(digests) == len(FILES) - 1


def test_the_sketch_has_no_colour() -> None:
    with Image.open(PICTURES / "dog/sketch.png") as picture:
        assert picture.mode == "L"


def test_backgrounds_for_the_palette_tagger() -> None:
    def border(name: str) -> np.ndarray:
        whole = pixels(PICTURES / name)[..., :3]
        return np.concatenate([whole[:8].reshape(-1, 3), whole[-8:].reshape(-1, 3)])

    assert (border("vase/studio.png") == 255).all()
    assert (border("dog/sketch.png") > 240).mean() > 0.9
    assert pixels(PICTURES / "dog/night.jpg")[..., :3].mean() < 60
    red, green, blue = pixels(PICTURES / "robe/evening.jpg")[..., :3].mean((0, 1))
    assert red > 1.6 * green and red > 1.6 * blue


def test_a_caption_came_with_one() -> None:
    text = (PICTURES / "vase/garden.txt").read_text(encoding="utf-8")
    assert text.startswith("vase, tulips") and text.count("\n") == 1


def test_the_regularization_pictures_are_scenes_of_the_toy_world(tmp_path: Path) -> None:
    draw_regularization(tmp_path)
    [drawn], [carried] = list(tmp_path.iterdir()), list(samples.regularization_folder().iterdir())
    assert drawn.name == carried.name
    assert len(list(carried.glob("*.png"))) == 40
    for path in sorted(carried.iterdir()):
        if path.suffix == ".png":
            assert np.array_equal(pixels(path), pixels(drawn / path.name))
        else:
            assert path.read_text(encoding="utf-8") == (drawn / path.name).read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in carried.iterdir()) < 400_000
