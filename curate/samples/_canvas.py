"""A small antialiased drawing surface: smooth shapes in a unit system, drawn large and scaled down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pil
from PIL import ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]

_OVER = 3  # drawn this many times larger, then averaged down


def shade(colour: Colour, factor: float) -> Colour:
    """The colour darker (factor below 1) or lighter."""
    return tuple(min(255, round(c * factor)) for c in colour)  # type: ignore[return-value]


def smooth(points: Sequence[Point], closed: bool, pieces: int = 14) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    count = len(points)
    curve: list[Point] = []
    for i in range(count if closed else count - 1):
        if closed:
            p = [points[(i + k) % count] for k in (-1, 0, 1, 2)]
        else:
            p = [points[min(max(i + k, 0), count - 1)] for k in (-1, 0, 1, 2)]
        for step in range(pieces):
            t = step / pieces
            weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3)
            curve.append(
                (
                    sum(w * q[0] for w, q in zip(weights, p, strict=True)) / 2,
                    sum(w * q[1] for w, q in zip(weights, p, strict=True)) / 2,
                )
            )
    return curve if closed else [*curve, points[-1]]


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws on a surface with its own origin, scale and direction; `outline` is the line around every shape."""

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    scale: float
    mirror: bool = False
    outline: Colour | None = None
    thickness: float = 0.5

    def at(self, x: float, y: float, scale: float = 1.0, mirror: bool = False) -> Pen:
        """A pen whose origin is at (x, y) of this one."""
        (px, py) = self._place((x, y))
        return Pen(self.draw, px, py, self.scale * scale, self.mirror != mirror, self.outline, self.thickness)

    def lined(self, outline: Colour | None, thickness: float = 0.5) -> Pen:
        """The same pen with another outline."""
        return Pen(self.draw, self.x, self.y, self.scale, self.mirror, outline, thickness)

    def blob(self, points: Sequence[Point], fill: Colour) -> None:
        """A smooth closed shape through the points."""
        self.polygon(smooth(points, closed=True), fill)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon, outlined where the pen is."""
        placed = [self._place(p) for p in points]
        self.draw.polygon(placed, fill=fill)
        if self.outline:
            self._stroke([*placed, placed[0]], self.thickness, self.outline)

    def ellipse(self, centre: Point, rx: float, ry: float, fill: Colour, turn: float = 0.0) -> None:
        """A filled ellipse, turned by `turn` degrees."""
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        steps = [2 * math.pi * k / 72 for k in range(72)]
        self.polygon(
            [
                (
                    centre[0] + rx * math.cos(a) * cos - ry * math.sin(a) * sin,
                    centre[1] + rx * math.cos(a) * sin + ry * math.sin(a) * cos,
                )
                for a in steps
            ],
            fill,
        )

    def line(self, points: Sequence[Point], fill: Colour, thickness: float) -> None:
        """A smooth open stroke with round ends."""
        self._stroke([self._place(p) for p in smooth(points, closed=False)], thickness, fill)

    def _place(self, point: Point) -> Point:
        dx = -point[0] if self.mirror else point[0]
        return self.x + dx * self.scale, self.y + point[1] * self.scale

    def _stroke(self, placed: Sequence[Point], thickness: float, fill: Colour) -> None:
        width = max(1, round(thickness * self.scale))
        self.draw.line(placed, fill=fill, width=width, joint="curve")
        radius = width / 2
        for x, y in (placed[0], placed[-1]):
            self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


class Canvas:
    """A picture under work: 100 units wide, as many high as its shape gives, origin at the top left."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        self.size = (width, height)
        self.high = 100 * height / width
        self.random = np.random.default_rng(seed)
        self._image = Pil.new("RGBA", (width * _OVER, height * _OVER), (0, 0, 0, 0))

    def pen(self, outline: Colour | None = None, thickness: float = 0.5) -> Pen:
        """A pen at the top left, in units."""
        draw = ImageDraw.Draw(self._image)
        return Pen(draw, 0, 0, self.size[0] * _OVER / 100, outline=outline, thickness=thickness)

    def gradient(self, top: Colour, bottom: Colour) -> None:
        """Fills the whole picture from one colour at the top to another at the bottom."""
        high, wide = self._image.height, self._image.width
        ramp = np.linspace(0, 1, high)[:, None, None]
        rows = np.asarray(top) * (1 - ramp) + np.asarray(bottom) * ramp
        pixels = np.concatenate([np.broadcast_to(rows, (high, wide, 3)), np.full((high, wide, 1), 255.0)], axis=2)
        self._image = Pil.fromarray(np.round(pixels).astype(np.uint8), "RGBA")

    def finish(self, transparent: bool = False) -> Pil.Image:
        """The picture at its size, RGB; RGBA where the background was left empty on purpose."""
        small = self._image.resize(self.size, Pil.Resampling.BOX)
        return small if transparent else small.convert("RGB")
