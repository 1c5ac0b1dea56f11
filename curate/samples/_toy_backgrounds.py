"""The backgrounds of the toy world: each fills the whole picture and looks like no other in its mean colours."""

from __future__ import annotations

from collections.abc import Callable

from curate.samples._canvas import Canvas, Colour


def _ridge(canvas: Canvas, level: float, swing: float, colour: Colour) -> None:
    heights = canvas.random.uniform(-swing, swing, 5)
    ridge = [(-12 + 31 * k, level + float(h)) for k, h in enumerate(heights)]
    canvas.pen().blob([*ridge, (140, 140), (-40, 140)], colour)


def _floor(canvas: Canvas, level: float, colour: Colour) -> None:
    canvas.pen().polygon([(0, level), (100, level), (100, 100), (0, 100)], colour)


def _meadow(canvas: Canvas) -> None:
    canvas.gradient((148, 206, 242), (206, 234, 248))
    _ridge(canvas, 56, 5, (118, 184, 92))


def _beach(canvas: Canvas) -> None:
    canvas.gradient((136, 208, 240), (214, 240, 248))
    _floor(canvas, 44, (40, 140, 186))
    _ridge(canvas, 66, 2, (240, 216, 152))


def _snow(canvas: Canvas) -> None:
    canvas.gradient((172, 194, 218), (214, 226, 238))
    _ridge(canvas, 56, 5, (246, 249, 253))


def _night(canvas: Canvas) -> None:
    canvas.gradient((14, 16, 52), (36, 38, 84))
    pen = canvas.pen()
    for x, y in canvas.random.uniform((4, 4), (96, 50), (9, 2)):
        pen.ellipse((float(x), float(y)), 0.9, 0.9, (220, 220, 190))
    _ridge(canvas, 72, 4, (24, 44, 48))


def _sunset(canvas: Canvas) -> None:
    canvas.gradient((196, 64, 84), (252, 180, 92))
    _ridge(canvas, 72, 4, (104, 44, 66))


def _room(canvas: Canvas) -> None:
    canvas.gradient((232, 206, 176), (232, 206, 176))
    _floor(canvas, 68, (148, 100, 70))
    canvas.pen().polygon([(0, 65), (100, 65), (100, 68), (0, 68)], (250, 242, 230))


def _sea(canvas: Canvas) -> None:
    canvas.gradient((64, 186, 196), (14, 88, 132))
    pen = canvas.pen()
    for x, y, r in canvas.random.uniform((4, 6, 1.2), (96, 80, 2.4), (7, 3)):
        pen.ellipse((float(x), float(y)), float(r), float(r), (150, 222, 226))
    _ridge(canvas, 88, 3, (190, 176, 128))


def _paper(canvas: Canvas) -> None:
    canvas.gradient((255, 255, 255), (255, 255, 255))


# the word that captions use, how a sentence places a subject there, how it is drawn
BACKGROUNDS: dict[str, tuple[str, Callable[[Canvas], None]]] = {
    "meadow": ("on a meadow", _meadow),
    "beach": ("at the beach", _beach),
    "snow": ("in the snow", _snow),
    "night": ("at night", _night),
    "sunset": ("at sunset", _sunset),
    "room": ("in a room", _room),
    "underwater": ("underwater", _sea),
    "white background": ("on a white background", _paper),
}
