"""The sample pictures one by one: a subject on a background of its own."""

from __future__ import annotations

from PIL import Image as Pil

from curate.samples._canvas import Canvas, Colour, Pen, shade, smooth
from curate.samples._subjects import GREY, Coat, head, lying, sitting, standing, vase

ROBE: Colour = (52, 96, 196)
_WHITE: Colour = (255, 255, 255)


def _shadow(pen: Pen, x: float, y: float, reach: float, colour: Colour) -> None:
    pen.ellipse((x, y), reach, reach * 0.16, colour)


def _hills(canvas: Canvas, level: float, colour: Colour) -> None:
    heights = canvas.random.uniform(-4, 4, 6)
    ridge = [(-10 + 24 * k, level + float(h)) for k, h in enumerate(heights)]
    canvas.pen().blob([*ridge, (125, canvas.high + 30), (-25, canvas.high + 30)], colour)


def _tree(pen: Pen, x: float, y: float, size: float) -> None:
    tree = pen.at(x, y, size)
    tree.polygon([(-1.2, 0), (1.2, 0), (0.9, -9), (-0.9, -9)], (110, 74, 46))
    for dx, dy, r in ((-4, -11, 5), (4, -11, 5), (0, -16, 6)):
        tree.ellipse((dx, dy), r, r * 0.9, (66, 128, 70))
    tree.ellipse((-1.5, -17), 2.6, 2.2, (92, 154, 88))


def park() -> Canvas:
    """The dog sits on a lawn among trees."""
    canvas = Canvas(512, 512, seed=1)
    canvas.gradient((150, 206, 240), (214, 238, 246))
    _hills(canvas, 46, (150, 196, 128))
    for x, y, size in ((14, 52, 1.3), (84, 50, 1.6), (68, 47, 0.9)):
        _tree(canvas.pen(), x, y, size)
    _hills(canvas, 62, (112, 176, 88))
    for x, y in canvas.random.uniform((2, 70), (98, 98), (26, 2)):
        canvas.pen().ellipse((float(x), float(y)), 0.8, 0.6, (250, 236, 120))
    _shadow(canvas.pen(), 50, 90, 25, (88, 146, 70))
    sitting(canvas.pen().at(50, 35, 1.32), Coat())
    return canvas


def portrait() -> Canvas:
    """The dog's face before a wall of two tones."""
    canvas = Canvas(448, 448, seed=2)
    canvas.gradient((244, 206, 120), (244, 206, 120))
    for k in range(6):
        canvas.pen().polygon([(k * 20, 0), (k * 20 + 10, 0), (k * 20 + 10, 100), (k * 20, 100)], (238, 194, 98))
    pen = canvas.pen((74, 44, 26), 0.55).at(50, 54, 2.6)
    pen.blob([(-10, 6), (10, 6), (16, 22), (-16, 22)], Coat().fur)
    pen.blob([(-11.4, 6.5), (0, 11.5), (11.4, 6.5), (12.2, 9.5), (0, 14.6), (-12.2, 9.5)], Coat().collar)
    head(pen.at(0, -2), Coat())
    return canvas


def beach() -> Canvas:
    """The dog stands on a beach; taller than wide."""
    canvas = Canvas(384, 512, seed=3)
    canvas.gradient((116, 190, 232), (226, 242, 248))
    pen = canvas.pen()
    pen.ellipse((78, 22), 9, 9, (255, 240, 170))
    pen.polygon([(0, 66), (100, 66), (100, 92), (0, 92)], (46, 140, 176))
    for x, y in canvas.random.uniform((0, 68), (92, 84), (12, 2)):
        pen.line([(float(x), float(y)), (float(x) + 4, float(y) - 0.8), (float(x) + 8, float(y))], (150, 208, 222), 0.6)
    pen.blob([(-10, 92), (20, 88), (55, 91), (110, 86), (120, 160), (-20, 160)], (238, 214, 158))
    _shadow(pen, 55, 123, 32, (212, 184, 128))
    standing(pen.at(56, 86, 1.5), Coat())
    return canvas


def night() -> Canvas:
    """The dog lies under the moon; dark."""
    canvas = Canvas(576, 384, seed=4)
    canvas.gradient((8, 10, 26), (26, 30, 56))
    pen = canvas.pen()
    for x, y in canvas.random.uniform((2, 2), (98, 36), (40, 2)):
        pen.ellipse((float(x), float(y)), 0.28, 0.28, (150, 154, 180))
    pen.ellipse((80, 13), 6, 6, (212, 210, 180))
    pen.ellipse((77.4, 11.6), 5.4, 5.4, (16, 19, 40))
    _hills(canvas, 46, (16, 26, 30))
    _shadow(pen, 52, 59.5, 34, (9, 15, 18))
    dusk = Coat(fur=(92, 60, 34), cream=(124, 112, 100), dark=(18, 12, 10), collar=(96, 24, 30), tongue=(100, 56, 62))
    lying(pen.at(54, 43, 1.12), dusk)
    return canvas


def snow() -> Canvas:
    """The dog runs through snow."""
    canvas = Canvas(640, 448, seed=5)
    canvas.gradient((198, 214, 232), (232, 238, 246))
    _hills(canvas, 42, (214, 224, 238))
    _hills(canvas, 52, (246, 249, 253))
    pen = canvas.pen()
    _shadow(pen, 52, 63, 26, (214, 224, 238))
    standing(pen.at(52, 38, 1.05), Coat(), stride=1.0)
    for x, y in canvas.random.uniform((1, 1), (99, 69), (70, 2)):
        pen.ellipse((float(x), float(y)), 0.55, 0.55, _WHITE)
    return canvas


def sketch() -> Canvas:
    """A drawing of the dog's face without colour on white paper."""
    canvas = Canvas(400, 400, seed=6)
    canvas.gradient(_WHITE, _WHITE)
    head(canvas.pen().at(50, 50, 2.9), GREY)
    return canvas


def living_room() -> Canvas:
    """The dog in its robe on a carpet."""
    canvas = Canvas(512, 512, seed=7)
    canvas.gradient((226, 200, 172), (226, 200, 172))
    pen = canvas.pen()
    pen.polygon([(0, 70), (100, 70), (100, 100), (0, 100)], (150, 104, 70))
    pen.polygon([(0, 68.6), (100, 68.6), (100, 70.6), (0, 70.6)], (246, 238, 226))
    frame = canvas.pen((110, 74, 46), 1.2)
    frame.polygon([(8, 10), (32, 10), (32, 34), (8, 34)], (190, 222, 232))
    pen.blob([(9, 33), (14, 24), (20, 28), (26, 21), (31, 33)], (96, 140, 96))
    pen.polygon([(82, 28), (94, 28), (98, 44), (78, 44)], (250, 224, 130))
    pen.polygon([(87.2, 44), (88.8, 44), (88.8, 72), (87.2, 72)], (90, 64, 46))
    pen.ellipse((50, 88), 44, 9, (176, 70, 66))
    pen.ellipse((50, 88), 36, 6.6, (200, 104, 92))
    sitting(canvas.pen().at(50, 36, 1.3), Coat(), robe=ROBE)
    return canvas


def cutout() -> Canvas:
    """The dog in its robe, cut out: nothing behind it."""
    canvas = Canvas(448, 512, seed=8)
    sitting(canvas.pen().at(50, 40, 1.55), Coat(), robe=ROBE)
    return canvas


def bathroom() -> Canvas:
    """The dog in its robe before tiles, with bubbles."""
    canvas = Canvas(512, 640, seed=9)
    canvas.gradient((206, 232, 230), (206, 232, 230))
    pen = canvas.pen()
    for row in range(7):
        for column in range(6):
            tone = float(canvas.random.uniform(0.94, 1.04))
            x, y = column * 17 - 1, row * 17 - 2
            pen.polygon([(x, y), (x + 16, y), (x + 16, y + 16), (x, y + 16)], shade((160, 206, 204), tone))
    pen.polygon([(0, 102), (100, 102), (100, 130), (0, 130)], (232, 240, 240))
    _shadow(pen, 50, 113, 27, (196, 212, 214))
    for x, y, r in canvas.random.uniform((4, 4, 1.4), (96, 60, 3.6), (12, 3)):
        bubble = canvas.pen((236, 250, 252), 0.4)
        bubble.ellipse((float(x), float(y)), float(r), float(r), (186, 222, 228))
        bubble.lined(None).ellipse((float(x - r * 0.35), float(y - r * 0.35)), float(r * 0.25), float(r * 0.25), _WHITE)
    sitting(pen.at(50, 48, 1.6), Coat(), robe=ROBE)
    return canvas


def evening() -> Canvas:
    """The dog in its robe before a red evening sky."""
    canvas = Canvas(576, 512, seed=10)
    canvas.gradient((176, 44, 52), (244, 148, 84))
    pen = canvas.pen()
    pen.ellipse((70, 46), 13, 13, (255, 214, 120))
    _hills(canvas, 60, (120, 36, 48))
    _hills(canvas, 72, (86, 28, 42))
    sitting(pen.at(38, 31, 1.28), Coat(), robe=ROBE, happy=False)
    return canvas


def window() -> Canvas:
    """The vase on a table by a window."""
    canvas = Canvas(448, 576, seed=11)
    canvas.gradient((238, 226, 206), (238, 226, 206))
    pen = canvas.pen((250, 250, 246), 2.2)
    pen.polygon([(14, 8), (86, 8), (86, 82), (14, 82)], (170, 214, 236))
    ridge = smooth([(15, 68), (34, 60), (60, 67), (85, 60)], closed=False)
    canvas.pen().polygon([(15, 81), *ridge, (85, 81)], (140, 188, 124))
    for x, y, r in ((32, 28, 5), (38, 26, 6), (45, 29, 5), (66, 42, 4), (72, 41, 5)):
        canvas.pen().ellipse((x, y), r, r * 0.6, _WHITE)
    pen.line([(50, 8), (50, 82)], (250, 250, 246), 2)
    pen.line([(14, 44), (86, 44)], (250, 250, 246), 2)
    canvas.pen().polygon([(0, 100), (100, 100), (100, 130), (0, 130)], (172, 118, 74))
    canvas.pen().polygon([(0, 97), (100, 97), (100, 101), (0, 101)], (196, 142, 94))
    _shadow(canvas.pen(), 50, 112, 20, (146, 98, 60))
    vase(canvas.pen().at(50, 62, 1.45))
    return canvas


def studio() -> Canvas:
    """The vase on plain white."""
    canvas = Canvas(420, 560, seed=12)
    canvas.gradient(_WHITE, _WHITE)
    vase(canvas.pen().at(50, 72, 1.6))
    return canvas


def shelf() -> Canvas:
    """The vase on a shelf between books; small."""
    canvas = Canvas(256, 320, seed=13)
    canvas.gradient((96, 60, 92), (74, 46, 76))
    pen = canvas.pen((40, 24, 40), 0.6)
    pen.polygon([(-2, 104), (102, 104), (102, 112), (-2, 112)], (166, 116, 78))
    x = -2.0
    for colour in ((180, 70, 60), (230, 180, 80), (70, 110, 130), (210, 200, 180)):
        wide, high = float(canvas.random.uniform(5, 8)), float(canvas.random.uniform(30, 44))
        for left in (x, 98 - x - wide):
            pen.polygon([(left, 104 - high), (left + wide, 104 - high), (left + wide, 104), (left, 104)], colour)
        x += wide
    vase(canvas.pen().at(50, 58, 1.34), flower=(248, 200, 70))
    return canvas


def picture(scene: str) -> Pil.Image:
    """Draws a scene by its name; the cut-out alone keeps its transparency."""
    canvas: Canvas = globals()[scene]()
    return canvas.finish(transparent=scene == "cutout")
