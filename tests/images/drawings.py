"""Draws what differs in one place or in color alone: faces with expressions, garments, pages of text."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from curate.core.stage import Pixels

Color = tuple[int, int, int]
_FINE = 3  # drawn at so many times the size, then scaled down

# expression: how open eyes and mouth are, how the corners of the mouth stand, tilt of the brows
EXPRESSIONS: Mapping[str, tuple[float, float, float, float]] = {
    "neutral": (1.0, 0.0, 0.0, 0.0),
    "smile": (1.0, 0.0, 1.0, 0.0),
    "laugh": (0.0, 0.8, 1.0, 0.0),
    "surprised": (1.3, 0.7, 0.0, 0.6),
    "angry": (0.7, 0.0, -1.0, -1.0),
    "asleep": (0.0, 0.0, 0.0, 0.0),
}
COLORS: Mapping[str, Color] = {
    "red": (200, 40, 40),
    "green": (40, 160, 40),
    "blue": (40, 40, 200),
    "yellow": (230, 210, 60),
    "black": (24, 24, 24),
    "pink": (240, 180, 200),
    "mint": (180, 230, 200),
}


@lru_cache(16)
def face(seed: int, expression: str, *, height: int = 640, share: float = 0.4) -> Pixels:
    """A figure whose head is `share` of the height, drawn with ink and flat color; one seed is one person."""
    dice = np.random.default_rng(seed)
    width = round(height * float(dice.uniform(0.6, 0.9)))
    hair, dress = (_vivid(dice, 0.5, 0.8), _vivid(dice, 0.4, 0.85))
    skin = _shade((255, 224, 196), float(dice.uniform(0.6, 1.0)))
    ground = (255, 255, 255) if seed % 2 else _shade(_vivid(dice, 0.15, 0.95), 1.0)
    canvas = Image.new("RGB", (width * _FINE, height * _FINE), ground)
    draw = ImageDraw.Draw(canvas)
    size = height * _FINE * share / 2  # half of the head
    x, y, ink = width * _FINE / 2, size * 1.25, max(2, round(size * 0.03))
    draw.ellipse(_around(x, y, size * 0.95, size * 1.15), hair, (20, 10, 20), ink)
    body = [(x - size, height * _FINE), (x - size * 0.8, y + size * 1.4), (x, y + size * 1.1)]
    body += [(x + size * 0.8, y + size * 1.4), (x + size, height * _FINE)]
    draw.polygon(body, dress, (20, 10, 20), ink)
    for _ in range(6):  # folds
        at = x + float(dice.uniform(-0.7, 0.7)) * size
        draw.line((at, y + size * 1.7, at + size * 0.1, height * _FINE), _shade(dress, 0.7), ink)
    draw.ellipse(_around(x, y + size * 0.15, size * 0.72, size * 0.85), skin, (20, 10, 20), ink)
    draw.chord(_around(x, y - size * 0.1, size * 0.8, size * 0.75), 180, 360, hair)
    _features(draw, EXPRESSIONS[expression], x, y + size * 0.2, size, _vivid(dice, 0.7, 0.7))
    return np.asarray(canvas.resize((width, height), Image.Resampling.LANCZOS))


def _features(
    draw: ImageDraw.ImageDraw,
    expression: tuple[float, float, float, float],
    x: float,
    y: float,
    size: float,
    iris: Color,
) -> None:
    opened, mouth, corners, brows = expression
    ink = max(2, round(size * 0.04))
    for side in (-1, 1):
        eye = x + side * size * 0.32
        if opened:
            tall = size * 0.16 * opened
            draw.ellipse(_around(eye, y, size * 0.15, tall), (255, 255, 255), (20, 10, 20), ink)
            draw.ellipse(_around(eye, y, size * 0.09, tall * 0.75), iris)
            draw.ellipse(_around(eye, y, size * 0.04, tall * 0.4), (10, 10, 10))
        else:
            draw.arc(_around(eye, y, size * 0.15, size * 0.08), 0, 180, (20, 10, 20), ink)
        high = y - size * (0.27 + 0.08 * brows)
        slope = size * 0.07 * (1 if brows < 0 else 0)
        draw.line((eye - side * size * 0.14, high + slope, eye + side * size * 0.14, high - slope), (40, 20, 20), ink)
    low = y + size * 0.45
    if mouth:
        draw.ellipse(_around(x, low, size * 0.16, size * 0.13 * mouth), (150, 40, 50), (20, 10, 20), ink)
    elif corners:
        box = _around(x, low - corners * size * 0.05, size * 0.16, size * 0.09)
        draw.arc(box, *((20, 160) if corners > 0 else (200, 340)), (20, 10, 20), ink)
    else:
        draw.line((x - size * 0.1, low, x + size * 0.1, low), (20, 10, 20), ink)


def shirt(seed: int, color: Color, *, height: int = 512) -> Pixels:
    """A garment of one color with shading and a print, on a ground that the seed picks."""
    dice = np.random.default_rng(seed)
    side = height * _FINE
    grounds = [(255, 255, 255), (0, 0, 0), (128, 128, 128), (235, 225, 210)]
    canvas = Image.new("RGB", (side, side), grounds[seed % len(grounds)])
    draw = ImageDraw.Draw(canvas)
    sleeve, hem = float(dice.uniform(0.3, 0.6)), float(dice.uniform(0.7, 0.95))
    half = [(0.08, 0.12), (0.22, 0.17), (0.40, sleeve), (0.30, sleeve + 0.05), (0.24, 0.36), (0.24, hem)]
    outline = [(0.5 + dx, dy) for dx, dy in half] + [(0.5 - dx, dy) for dx, dy in reversed(half)]
    draw.polygon([(px * side, py * side) for px, py in outline], color, _shade(color, 0.6), max(2, side // 200))
    for _ in range(8):
        px, py = float(dice.uniform(0.3, 0.7)), float(dice.uniform(0.4, 0.6))
        end = (px + float(dice.uniform(-0.05, 0.05))) * side, min(hem, py + 0.25) * side
        draw.line((px * side, py * side, *end), _shade(color, 0.75), max(2, side // 150))
    if seed % 3:
        draw.regular_polygon((side / 2, side * 0.35, side * 0.06), 3 + seed % 4, fill=(250, 250, 250))
    return np.asarray(canvas.resize((height, height), Image.Resampling.LANCZOS))


def page(seed: int, text: str, *, height: int = 480) -> Pixels:
    """A panel with a drawing and a line of text in a bubble."""
    canvas = Image.fromarray(face(seed, "neutral", height=height))
    wide = Image.new("RGB", (canvas.width + 260, height), (250, 248, 240))
    wide.paste(canvas, (260, 0))
    draw = ImageDraw.Draw(wide)
    draw.ellipse((12, 30, 250, 190), (255, 255, 255), (0, 0, 0), 3)
    draw.multiline_text((48, 70), text, (0, 0, 0), ImageFont.load_default(26))
    return np.asarray(wide)


TEXTS = ("Where are\nyou going?", "I am at\nhome now.", "Wait for\nme there!", "Not again\nplease...")


def turned(color: Color, degrees: float) -> Color:
    """The color with its hue turned."""
    hue, light, strength = colorsys.rgb_to_hls(*(v / 255 for v in color))
    return _rgb(colorsys.hls_to_rgb((hue + degrees / 360) % 1, light, strength))


def _around(x: float, y: float, across: float, down: float) -> tuple[float, float, float, float]:
    return x - across, y - down, x + across, y + down


def _vivid(dice: np.random.Generator, strength: float, light: float) -> Color:
    return _rgb(colorsys.hsv_to_rgb(float(dice.random()), strength, light))


def _shade(color: Color, factor: float) -> Color:
    return _rgb((color[0] / 255 * factor, color[1] / 255 * factor, color[2] / 255 * factor))


def _rgb(values: tuple[float, float, float]) -> Color:
    red, green, blue = (round(255 * v) for v in values)
    return red, green, blue
