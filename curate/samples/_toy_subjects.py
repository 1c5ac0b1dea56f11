"""The subjects of the toy world: bold silhouettes about 50 units wide around the origin, in one main colour."""

from __future__ import annotations

from collections.abc import Callable

from curate.samples._canvas import Colour, Pen, shade

_WHITE: Colour = (250, 250, 248)
_DARK: Colour = (44, 36, 44)
_GLASS: Colour = (176, 220, 236)
_CREAM: Colour = (248, 232, 204)
_STEEL: Colour = (150, 152, 160)
_LEAF: Colour = (74, 146, 72)


def _cat(pen: Pen, colour: Colour) -> None:
    pen.blob([(14, 22), (26, 20), (30, 8), (26, -2), (22, 2), (24, 9), (20, 14), (12, 14)], colour)
    pen.blob([(0, -4), (12, 2), (17, 16), (14, 25), (-14, 25), (-17, 16), (-12, 2)], colour)
    for side in (False, True):
        half = pen.at(0, 0, mirror=side)
        half.polygon([(-17, -8), (-16, -27), (-4, -18)], colour)
    pen.ellipse((0, -9), 18, 13, colour)
    plain = pen.lined(None)
    plain.ellipse((0, 16), 8, 8, _CREAM)
    for x in (-7.5, 7.5):
        plain.ellipse((x, -11), 3.4, 4, _WHITE)
        plain.ellipse((x, -11), 1.8, 3.2, _DARK)
    plain.ellipse((0, -4.5), 2.2, 1.6, _DARK)


def _bird(pen: Pen, colour: Colour) -> None:
    for x in (-3, 5):
        pen.line([(x, 14), (x, 25)], _DARK, 2.2)
    pen.polygon([(12, 2), (30, -8), (29, 6), (14, 12)], colour)
    pen.blob([(-18, -8), (-6, -8), (10, -2), (18, 6), (10, 15), (-4, 17), (-15, 11)], colour)
    pen.polygon([(-24, -15), (-35, -11), (-24, -8)], (240, 176, 50))
    pen.ellipse((-15, -13), 11.5, 11.5, colour)
    pen.blob([(-4, 0), (10, 0), (16, 7), (4, 10)], shade(colour, 0.72))
    pen.lined(None).ellipse((-18, -15), 2.6, 2.6, _DARK)


def _fish(pen: Pen, colour: Colour) -> None:
    pen.polygon([(13, 0), (31, -15), (27, 0), (31, 15)], shade(colour, 0.8))
    pen.blob([(-8, -12), (2, -22), (12, -19), (8, -10)], shade(colour, 0.8))
    pen.blob([(-29, 1), (-20, -10), (-4, -15), (12, -8), (18, 0), (12, 8), (-4, 15), (-20, 11)], colour)
    plain = pen.lined(None)
    plain.line([(-12, -11), (-8, 0), (-12, 11)], shade(colour, 0.6), 2)
    plain.ellipse((-19, -3), 4, 4, _WHITE)
    plain.ellipse((-19.6, -3), 2.1, 2.1, _DARK)


def _car(pen: Pen, colour: Colour) -> None:
    pen.polygon([(-17, -3), (-10, -17), (11, -17), (19, -3)], colour)
    pen.lined(None).polygon([(-12, -4), (-7.5, -13.5), (-1, -13.5), (-1, -4)], _GLASS)
    pen.lined(None).polygon([(2, -4), (2, -13.5), (9, -13.5), (14, -4)], _GLASS)
    pen.blob([(-30, 3), (-26, -3), (0, -4), (26, -3), (31, 4), (29, 12), (0, 13), (-29, 12)], colour)
    for x in (-16, 17):
        pen.ellipse((x, 13), 8, 8, _DARK)
        pen.lined(None).ellipse((x, 13), 3.2, 3.2, _STEEL)
    pen.lined(None).ellipse((-27, 3), 2.2, 2.2, (255, 240, 150))


def _boat(pen: Pen, colour: Colour) -> None:
    pen.polygon([(-1.2, -29), (1.2, -29), (1.2, 8), (-1.2, 8)], (120, 80, 50))
    pen.polygon([(3, -27), (25, 5), (3, 5)], _WHITE)
    pen.polygon([(-3, -20), (-20, 5), (-3, 5)], _CREAM)
    pen.polygon([(-29, 9), (29, 9), (20, 24), (-20, 24)], colour)


def _rocket(pen: Pen, colour: Colour) -> None:
    pen.polygon([(-5, 18), (0, 32), (5, 18)], (250, 176, 50))
    for side in (False, True):
        pen.at(0, 0, mirror=side).polygon([(-8, 2), (-19, 13), (-18, 23), (-7, 16)], shade(colour, 0.75))
    pen.blob([(0, -31), (8, -18), (11, -2), (8, 18), (-8, 18), (-11, -2), (-8, -18)], colour)
    pen.ellipse((0, -6), 5, 5, _GLASS)


def _house(pen: Pen, colour: Colour) -> None:
    pen.polygon([(10, -13), (10, -26), (17, -26), (17, -8)], (150, 96, 80))
    pen.polygon([(-21, -6), (21, -6), (21, 25), (-21, 25)], colour)
    pen.polygon([(-28, -5), (0, -28), (28, -5)], shade(colour, 0.62))
    pen.polygon([(-5, 7), (6, 7), (6, 25), (-5, 25)], (120, 80, 56))
    for x in (-17, 10):
        pen.polygon([(x, 2), (x + 7.5, 2), (x + 7.5, 11), (x, 11)], (255, 236, 150))


def _mushroom(pen: Pen, colour: Colour) -> None:
    pen.blob([(-8, -2), (8, -2), (10, 14), (13, 25), (-13, 25), (-10, 14)], _CREAM)
    pen.blob([(-28, 0), (-22, -16), (0, -27), (22, -16), (28, 0), (12, 4), (-12, 4)], colour)
    for x, y, r in ((-14, -8, 4), (1, -15, 5), (15, -6, 4)):
        pen.lined(None).ellipse((x, y), r, r * 0.85, _WHITE)


def _umbrella(pen: Pen, colour: Colour) -> None:
    pen.line([(0, -4), (0, 24), (4, 28), (9, 24)], (96, 66, 50), 3)
    rim = [(30, 2), (20, -2), (10, 3), (0, -2), (-10, 3), (-20, -2), (-30, 2)]
    pen.polygon([(-30, 2), (-26, -12), (-14, -23), (0, -27), (14, -23), (26, -12), *rim], colour)
    for x in (-10, 10):
        pen.line([(x, 2), (x * 0.7, -12), (0, -26)], shade(colour, 0.6), 1.6)


def _cup(pen: Pen, colour: Colour) -> None:
    pen.ellipse((17, 3), 12, 12, colour)
    pen.ellipse((17, 3), 5.5, 6, _WHITE)
    pen.polygon([(-22, -14), (17, -14), (14, 22), (-18, 22)], colour)
    pen.ellipse((-2.5, -14), 19.5, 5, (96, 62, 46))
    for x in (-9, 3):
        pen.lined(None).line([(x, -20), (x + 3, -24), (x, -29)], (214, 214, 220), 2)


def _flower(pen: Pen, colour: Colour) -> None:
    pen.line([(0, 0), (1, 14), (0, 28)], _LEAF, 3.2)
    pen.blob([(1, 22), (8, 12), (20, 10), (14, 20)], _LEAF)
    for x, y in ((0, -22), (11.5, -13.5), (7, -0.5), (-7, -0.5), (-11.5, -13.5)):
        pen.ellipse((x, y), 8.6, 8.6, colour)
    pen.ellipse((0, -10.5), 6.5, 6.5, (250, 214, 80) if colour[2] > 90 or colour[1] < 120 else (130, 82, 50))


def _star(pen: Pen, colour: Colour) -> None:
    tips = [(0, -29), (28, -8), (17, 25), (-17, 25), (-28, -8)]
    notches = [(8.5, -10.5), (13.6, 5.5), (0, 15), (-13.6, 5.5), (-8.5, -10.5)]
    pen.polygon([point for pair in zip(tips, notches, strict=True) for point in pair], colour)
    for x in (-5.5, 5.5):
        pen.lined(None).ellipse((x, -1), 2.2, 3, _DARK)


SUBJECTS: dict[str, Callable[[Pen, Colour], None]] = {
    "cat": _cat,
    "car": _car,
    "house": _house,
    "mushroom": _mushroom,
    "fish": _fish,
    "rocket": _rocket,
    "umbrella": _umbrella,
    "star": _star,
    "bird": _bird,
    "boat": _boat,
    "cup": _cup,
    "flower": _flower,
}
