"""Draws the sample pictures and the regularization pictures anew: `python -m curate.samples.draw FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image as Pil
from PIL import PngImagePlugin

from curate.samples._scenes import picture
from curate.samples.toy_world import LEARNED, random_scene, render

FILES: dict[str, str] = {
    "dog/park.png": "park",
    "dog/park_copy.png": "park",  # the same pixels in other bytes
    "dog/dusk.jpg": "dusk",
    "dog/beach.jpg": "beach",  # stored on its side, with the orientation tag that says so
    "dog/night.jpg": "night",
    "dog/snow.webp": "snow",
    "dog/sketch.png": "sketch",  # greyscale
    "robe/living room.jpg": "living_room",
    "robe/cutout.png": "cutout",  # transparent
    "robe/pier.jpg": "pier",
    "robe/evening.jpg": "evening",
    "vase/garden.jpg": "garden",
    "vase/studio.png": "studio",
    "vase/hall.jpg": "hall",
}
CAPTIONS = {
    "dog/park.txt": "meadow\n",
    "dog/dusk.txt": "sunset\n",
    "dog/beach.txt": "beach\n",
    "dog/night.txt": "night\n",
    "dog/snow.txt": "snow\n",
    "robe/living room.txt": "room\n",
    "robe/pier.txt": "beach\n",
    "robe/evening.txt": "sunset\n",
    "vase/garden.txt": "vase, tulips, meadow, still life\n",
    "vase/hall.txt": "room\n",
}

REGULARIZATION_PICTURES = 40
_REGULARIZATION_SEED = 3_000_000  # of no scene that the base was trained or measured on
_SIDEWAYS = "dog/beach.jpg"
_ORIENTATION = 0x0112


def write(name: str, path: Path) -> None:
    """Draws one of FILES and writes it as that file is stored."""
    drawn = picture(FILES[name])
    if name == "dog/sketch.png":
        drawn = drawn.convert("L")
    if path.suffix == ".png":
        twin = "copy" in name
        text = PngImagePlugin.PngInfo()
        if twin:
            text.add_text("Comment", "a copy saved by another program")
        drawn.save(path, optimize=not twin, compress_level=6, pnginfo=text)
    elif path.suffix == ".webp":
        drawn.save(path, quality=88, method=6)
    elif name == _SIDEWAYS:
        exif = Pil.Exif()
        exif[_ORIENTATION] = 6
        drawn.transpose(Pil.Transpose.ROTATE_90).save(path, quality=88, exif=exif)
    else:
        drawn.save(path, quality=88, optimize=True)


def draw(folder: Path) -> None:
    """Writes every sample picture and caption under `folder`."""
    for name in FILES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(name, path)
    for name, text in CAPTIONS.items():
        (folder / name).write_text(text, encoding="utf-8")


def draw_regularization(folder: Path) -> None:
    """Writes the regularization pictures with their captions under `folder`: scenes of the toy world."""
    place = folder / "1_toy world"
    place.mkdir(parents=True, exist_ok=True)
    for number in range(REGULARIZATION_PICTURES):
        scene = random_scene(_REGULARIZATION_SEED + number, LEARNED)
        render(scene).save(place / f"{number:02}.png", optimize=True)
        (place / f"{number:02}.txt").write_text(", ".join(scene.tags()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    draw(Path(sys.argv[1], "pictures"))
    draw_regularization(Path(sys.argv[1], "regularization"))
