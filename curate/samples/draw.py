"""Draws the sample pictures anew: `python -m curate.samples.draw FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image as Pil
from PIL import PngImagePlugin

from curate.samples._scenes import picture

FILES: dict[str, str] = {
    "dog/park.png": "park",
    "dog/park_copy.png": "park",  # the same pixels in other bytes
    "dog/portrait.jpg": "portrait",
    "dog/beach.jpg": "beach",  # stored on its side, with the orientation tag that says so
    "dog/night.jpg": "night",
    "dog/snow.webp": "snow",
    "dog/sketch.png": "sketch",  # greyscale
    "robe/living room.jpg": "living_room",
    "robe/cutout.png": "cutout",  # transparent
    "robe/bathroom.jpg": "bathroom",
    "robe/evening.jpg": "evening",
    "vase/window.jpg": "window",
    "vase/studio.png": "studio",
    "vase/shelf.jpg": "shelf",
}
CAPTIONS = {"vase/window.txt": "vase, tulips, wooden table, window, still life\n"}

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


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
