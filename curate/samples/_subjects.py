"""The subjects of the sample pictures: one dog, its robe, and one vase; bold, so that 96 pixels show them."""

from __future__ import annotations

from dataclasses import dataclass

from curate.samples._canvas import Colour, Pen, shade

_LINE = 1.2


@dataclass(frozen=True, slots=True)
class Coat:
    """The dog's colours."""

    fur: Colour = (214, 140, 66)
    cream: Colour = (250, 232, 204)
    dark: Colour = (74, 44, 26)
    collar: Colour = (200, 40, 44)
    tongue: Colour = (236, 120, 128)


GREY = Coat(
    fur=(205, 205, 205), cream=(250, 250, 250), dark=(40, 40, 40), collar=(120, 120, 120), tongue=(170, 170, 170)
)


def head(pen: Pen, coat: Coat, happy: bool = True) -> None:
    """The head from the front, about 26 units wide around the origin."""
    pen = pen.lined(coat.dark, _LINE)
    for side in (False, True):
        ear = pen.at(0, 0, mirror=side)
        ear.blob([(-11.5, -2), (-13.2, -10), (-12, -16.5), (-7, -14), (-2.5, -9.5), (-5, -5)], coat.fur)
        ear.lined(None).blob([(-10.5, -6), (-11.3, -13.2), (-7.5, -11.2), (-5.5, -8.5)], shade(coat.tongue, 0.92))
    pen.blob(
        [
            (0, -11.5),
            (7, -10),
            (11.5, -4),
            (13, 2.5),
            (9.5, 8),
            (4, 11.5),
            (0, 12),
            (-4, 11.5),
            (-9.5, 8),
            (-13, 2.5),
            (-11.5, -4),
            (-7, -10),
        ],
        coat.fur,
    )
    plain = pen.lined(None)
    for side in (False, True):
        half = plain.at(0, 0, mirror=side)
        half.blob([(-1, 1), (-6, 2), (-12.2, 3), (-9.2, 7.6), (-4, 11), (0, 11.5), (0.5, 6)], coat.cream)
        half.ellipse((-4.6, -5.6), 1.7, 1.2, coat.cream, turn=-15)
        half.ellipse((-5.2, -1.6), 1.75, 2.1, coat.dark)
        half.ellipse((-4.7, -2.4), 0.6, 0.7, (255, 255, 255))
    plain.blob([(0, -3), (2.6, 2), (4.2, 5), (0, 8.5), (-4.2, 5), (-2.6, 2)], coat.cream)
    if happy:
        plain.blob([(-1.9, 6.4), (0, 6.9), (1.9, 6.4), (1.5, 9.6), (0, 10.6), (-1.5, 9.6)], coat.tongue)
    plain.blob([(-2.3, 1.8), (0, 1.4), (2.3, 1.8), (1.3, 3.8), (0, 4.4), (-1.3, 3.8)], coat.dark)
    plain.line([(0, 4), (-0.4, 5.8), (-2.4, 6.6), (-4.2, 5.4)], coat.dark, 0.8)
    plain.line([(0, 4), (0.4, 5.8), (2.4, 6.6), (4.2, 5.4)], coat.dark, 0.8)


def sitting(pen: Pen, coat: Coat, robe: Colour | None = None, happy: bool = True) -> None:
    """The dog sitting, seen from the front: head at the origin, paws 40 units below; in a robe where one is given."""
    pen = pen.lined(coat.dark, _LINE)
    pen.blob([(10, 34), (19, 30), (23, 21), (18, 14), (13, 18), (17, 23), (12, 28)], coat.fur)
    for side in (False, True):
        half = pen.at(0, 0, mirror=side)
        half.blob([(-6, 24), (-13, 25), (-16.5, 33), (-13, 39.5), (-6, 40)], coat.fur)
        half.ellipse((-11, 39), 5, 2.3, coat.cream)
    pen.blob(
        [(0, 6), (8, 9), (11.5, 18), (11, 30), (7, 38), (0, 39), (-7, 38), (-11, 30), (-11.5, 18), (-8, 9)], coat.fur
    )
    pen.lined(None).blob([(0, 9), (6, 12), (6.5, 20), (3.5, 27), (0, 29), (-3.5, 27), (-6.5, 20), (-6, 12)], coat.cream)
    for side in (False, True):
        half = pen.at(0, 0, mirror=side)
        half.blob([(-1.2, 24), (-5.8, 23), (-6.6, 32), (-6.8, 39), (-1.4, 39)], coat.fur)
        half.ellipse((-4.2, 39.4), 3.6, 2.2, coat.cream)
    if robe:
        _robe(pen, robe, coat)
    else:
        pen.blob([(-8.6, 9.5), (0, 13.5), (8.6, 9.5), (8.9, 12), (0, 16.2), (-8.9, 12)], coat.collar)
        pen.ellipse((0, 17), 1.8, 1.8, (240, 196, 60))
    head(pen, coat, happy)


def _robe(pen: Pen, cloth: Colour, coat: Coat) -> None:
    dark, light = shade(cloth, 0.68), shade(cloth, 1.28)
    pen = pen.lined(shade(cloth, 0.4), _LINE)
    for side in (False, True):
        half = pen.at(0, 0, mirror=side)
        half.blob([(0, 15), (-4, 9), (-10, 9), (-14.5, 17), (-17, 30), (-17.5, 37.2), (-8, 38.4), (0, 37.6)], cloth)
        half.lined(None).line([(-12.5, 20), (-13.2, 28), (-13, 36)], dark, 0.6)
        half.lined(None).line([(-5, 28), (-6, 36.4)], dark, 0.6)
    pen.lined(None).polygon([(-5.2, 9.4), (5.2, 9.4), (0, 21)], coat.cream)
    for side in (True, False):
        pen.at(0, 0, mirror=side).blob([(-8.6, 8.6), (-5, 8.8), (-1.5, 15), (2.2, 22), (0.4, 24), (-4, 18)], light)
    pen.blob([(-13.6, 23), (0, 24.6), (13.6, 23), (14, 26), (0, 27.8), (-14, 26)], dark)
    pen.blob([(1, 24.8), (4, 23.8), (4.4, 28), (6.4, 34), (3.6, 34.8), (1.2, 28)], dark)


def vase(pen: Pen, glaze: Colour = (32, 128, 134), flower: Colour = (232, 84, 96)) -> None:
    """The vase with tulips: rim at the origin, foot 34 units below, flowers 26 units above."""
    _tulips(pen, flower)
    _vessel(pen, glaze)


_LEAF = (70, 140, 70)
# x and y of the bud, and how far its stalk bends
_STALKS = ((-12, -20, -5), (-5.4, -25, -2), (1.8, -22, 0.6), (8, -26, 3), (14, -19, 6))
_BUD = (
    (-3.2, -3.6),
    (-1.6, -2.4),
    (0, -4.8),
    (1.6, -2.4),
    (3.2, -3.6),
    (3.4, 0.6),
    (1.4, 3.4),
    (-1.4, 3.4),
    (-3.4, 0.6),
)
_HALF_VESSEL = ((5.4, 0), (4.6, 4), (7.4, 8), (12.6, 15), (12.4, 23), (8, 30), (5.8, 33.4))


def _tulips(pen: Pen, flower: Colour) -> None:
    stalks = pen.lined(shade(_LEAF, 0.55), 0.4)
    for x, y, bend in _STALKS:
        stalks.line([(bend * 0.3, 2), (bend, -8), (x, y + 3)], _LEAF, 0.9)
        bud = stalks.lined(shade(flower, 0.55), 0.4).at(x, y)
        bud.blob(_BUD, flower)
        bud.lined(None).blob([(-0.9, -3), (0, -4), (0.9, -3), (0.7, 2), (-0.7, 2)], shade(flower, 1.2))
    for side in (False, True):
        stalks.at(0, 0, mirror=side).blob([(-1, 2), (-6, -6), (-12, -10), (-14.5, -9), (-9, -3), (-3, 3)], _LEAF)


def _vessel(pen: Pen, glaze: Colour) -> None:
    band = (248, 226, 170)
    body = pen.lined(shade(glaze, 0.4), _LINE)
    left = [(-x, y) for x, y in _HALF_VESSEL]
    body.blob([(0, 0.8), *left, (0, 34.4), *reversed(_HALF_VESSEL)], glaze)
    body.ellipse((0, 0.4), 5.6, 1.3, shade(glaze, 0.5))
    plain = body.lined(None)
    plain.line([(-12.1, 15.2), (0, 17), (12.1, 15.2)], band, 0.9)
    plain.line([(-11.9, 23), (0, 25), (11.9, 23)], band, 0.9)
    for k in range(5):
        x = -9.2 + 4.6 * k
        drop = 1.0 - abs(k - 2) * 0.35
        plain.polygon([(x - 1.9, 20 + drop), (x, 17.6 + drop), (x + 1.9, 20 + drop), (x, 22.4 + drop)], band)
    plain.blob([(-8.6, 11.8), (-10.6, 15), (-10.8, 20), (-9.4, 20), (-8.4, 15)], shade(glaze, 1.45))
