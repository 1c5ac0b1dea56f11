"""The sample pictures one by one: a dog, the dog in its robe, or a vase, before a background of the toy world."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image as Pil

from curate.samples._canvas import Canvas, Colour, Pen
from curate.samples._subjects import GREY, Coat, sitting, vase
from curate.samples._toy_backgrounds import BACKGROUNDS

ROBE: Colour = (52, 96, 196)


def _dog(pen: Pen) -> None:
    sitting(pen.at(50, 32, 1.5), Coat())


def _distant(pen: Pen) -> None:
    sitting(pen.at(50, 39, 1.2), Coat())


def _other_side(pen: Pen) -> None:
    sitting(pen.at(52, 32, 1.5, mirror=True), Coat())


def _grey(pen: Pen) -> None:
    sitting(pen.at(50, 31, 1.55), GREY)


def _robed(pen: Pen) -> None:
    sitting(pen.at(50, 32, 1.5), Coat(), robe=ROBE)


def _robed_distant(pen: Pen) -> None:
    sitting(pen.at(50, 39, 1.2), Coat(), robe=ROBE)


def _robed_other_side(pen: Pen) -> None:
    sitting(pen.at(49, 32, 1.5, mirror=True), Coat(), robe=ROBE)


def _vase(pen: Pen) -> None:
    vase(pen.at(50, 50, 1.4))


# width and height in pixels, the background, what stands before it
_SCENES: dict[str, tuple[int, int, str, Callable[[Pen], None]]] = {
    "park": (512, 512, "meadow", _dog),
    "dusk": (448, 448, "sunset", _other_side),
    "beach": (480, 512, "beach", _other_side),
    "night": (512, 500, "night", _distant),
    "snow": (640, 620, "snow", _dog),
    "sketch": (400, 400, "white background", _grey),
    "living_room": (512, 544, "room", _robed),
    "cutout": (480, 512, "", _robed),
    "pier": (512, 500, "beach", _robed_other_side),
    "evening": (540, 512, "sunset", _robed_distant),
    "garden": (464, 576, "meadow", _vase),
    "studio": (448, 480, "white background", _vase),
    "hall": (300, 320, "room", _vase),
}


def picture(scene: str) -> Pil.Image:
    """Draws a scene by its name; the cut-out alone keeps its transparency."""
    width, height, background, subject = _SCENES[scene]
    canvas = Canvas(width, height, seed=list(_SCENES).index(scene))
    if background:
        BACKGROUNDS[background][1](canvas)
    subject(canvas.pen().at(0, (canvas.high - 100) / 2))
    return canvas.finish(transparent=not background)
