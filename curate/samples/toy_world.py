"""A toy world of pictures with known content: subject, colour, background, style, size and position, from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image as Pil
from PIL import ImageChops, ImageFilter

from curate.samples._canvas import Canvas, Colour
from curate.samples._toy_backgrounds import BACKGROUNDS
from curate.samples._toy_subjects import SUBJECTS

COLOURS: dict[str, Colour] = {
    "red": (212, 40, 44),
    "orange": (246, 138, 28),
    "yellow": (250, 222, 62),
    "green": (56, 166, 72),
    "blue": (44, 92, 212),
    "purple": (136, 66, 180),
    "pink": (248, 152, 194),
    "brown": (122, 76, 46),
}
STYLES = {"flat": "", "shaded": "soft shading", "monochrome": "monochrome", "sketch": "sketch"}
SIZES = {"small": 1.0, "": 1.2, "large": 1.4}  # subjects are about 56 units wide of 100
POSITIONS = {"left": -11.0, "": 0.0, "right": 11.0}
RESOLUTION = 96
LEARNED = tuple(SUBJECTS)[:8]
"""The subjects that the base `toy` learns."""
UNLEARNED = tuple(SUBJECTS)[8:]
"""The others, left for trials of new concepts."""

_OUTLINE: Colour = (44, 36, 44)
_PAPER = "white background"
_STYLE_SHARES = (0.7, 0.12, 0.09, 0.09)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture of the toy world shows; `seed` moves, turns and tints a little, and never changes the words."""

    subject: str
    colour: str
    background: str
    style: str = "flat"
    size: str = ""
    position: str = ""
    seed: int = 0

    @property
    def colourless(self) -> bool:
        """Whether the style hides the colour, so that no caption names it."""
        return self.style in ("monochrome", "sketch")

    @property
    def place(self) -> str:
        """The background that is drawn: a sketch is on paper."""
        return _PAPER if self.style == "sketch" else self.background

    def tags(self) -> list[str]:
        """What is to be seen, as tags; nothing that is not to be seen."""
        colour = "" if self.colourless else self.colour
        size = f"{self.size} size" if self.size else ""
        position = f"{self.position} side" if self.position else ""
        return [t for t in (self.subject, colour, self.place, size, position, STYLES[self.style]) if t]

    def sentence(self) -> str:
        """The same as a sentence."""
        kind = {"flat": "a", "shaded": "a softly shaded", "monochrome": "a monochrome", "sketch": "a sketch of a"}
        words = [kind[self.style], self.size, "" if self.colourless else self.colour, self.subject]
        side = f"on the {self.position} side" if self.position else ""
        return " ".join(word for word in (*words, BACKGROUNDS[self.place][0], side) if word)


def random_scene(seed: int, subjects: tuple[str, ...] = tuple(SUBJECTS)) -> Scene:
    """The scene of a seed: everything drawn evenly, styles by their shares (70, 12, 9, 9 %)."""
    draw = np.random.default_rng((seed, 1))

    def one(names: tuple[str, ...], shares: tuple[float, ...] | None = None) -> str:
        return names[int(draw.choice(len(names), p=shares))]

    return Scene(
        one(subjects),
        one(tuple(COLOURS)),
        one(tuple(BACKGROUNDS)),
        one(tuple(STYLES), _STYLE_SHARES),
        one(tuple(SIZES)),
        one(tuple(POSITIONS)),
        seed,
    )


def layers(scene: Scene, resolution: int = RESOLUTION) -> tuple[Pil.Image, Pil.Image]:
    """The background, and the subject with its transparency."""
    behind = Canvas(resolution, resolution, scene.seed)
    BACKGROUNDS[scene.place][1](behind)
    front = Canvas(resolution, resolution, scene.seed)
    draw = np.random.default_rng((scene.seed, 2))
    tint = draw.uniform(-10, 10, 3)
    r, g, b = (min(255, max(0, round(c + float(t)))) for c, t in zip(COLOURS[scene.colour], tint, strict=True))
    dx, dy, grow = (float(v) for v in draw.uniform((-2, -2, 0.95), (2, 2, 1.05)))
    pen = front.pen(_OUTLINE, 2.2).at(
        50 + POSITIONS[scene.position] + dx, 52 + dy, SIZES[scene.size] * grow, mirror=bool(draw.random() < 0.5)
    )
    SUBJECTS[scene.subject](pen, (r, g, b))
    subject = front.finish(transparent=True)
    if scene.style == "shaded":
        subject = _shaded(subject)
    if scene.style == "sketch":
        subject = _outlines(subject)
    return behind.finish(), subject


def render(scene: Scene, resolution: int = RESOLUTION) -> Pil.Image:
    """The picture, RGB; the same bytes for the same scene."""
    picture, subject = layers(scene, resolution)
    picture.paste(subject, mask=subject)
    return picture.convert("L").convert("RGB") if scene.style == "monochrome" else picture


def clutter(seed: int) -> Pil.Image:
    """Random shapes in random colours before a gradient: for what has to work on pictures unlike the world's."""
    canvas = Canvas(RESOLUTION, RESOLUTION, seed)
    draw = canvas.random

    def tone() -> Colour:
        return tuple(int(v) for v in draw.integers(0, 256, 3))  # type: ignore[return-value]

    canvas.gradient(tone(), tone())
    for _ in range(int(draw.integers(3, 7))):
        pen = canvas.pen((44, 36, 44) if draw.random() < 0.7 else None, float(draw.uniform(1, 2.4)))
        x, y, reach = (float(v) for v in draw.uniform((10, 10, 6), (90, 90, 30)))
        angles = np.sort(draw.uniform(0, 2 * np.pi, int(draw.integers(3, 9))))
        radii = draw.uniform(0.5, 1, len(angles)) * reach
        points = [(x + float(r * np.cos(a)), y + float(r * np.sin(a))) for a, r in zip(angles, radii, strict=True)]
        (pen.blob if draw.random() < 0.5 else pen.polygon)(points, tone())
    return canvas.finish()


def _shaded(subject: Pil.Image) -> Pil.Image:
    """Light from the upper left: brighter there, darker towards the lower right edge."""
    wide = subject.width
    alpha = subject.getchannel("A")
    light = alpha.filter(ImageFilter.GaussianBlur(wide / 14))
    light = ImageChops.offset(light, round(wide / 12), round(wide / 12))
    factor = np.asarray(light, dtype=np.float32)[..., None] / 255 * 0.75 + 0.4
    colours = np.asarray(subject.convert("RGB"), dtype=np.float32) * factor
    shaded = Pil.fromarray(np.clip(colours, 0, 255).astype(np.uint8), "RGB")
    shaded.putalpha(alpha)
    return shaded


def _outlines(subject: Pil.Image) -> Pil.Image:
    """The dark lines alone, on white inside the shape."""
    grey = np.asarray(subject.convert("L"), dtype=np.float32)
    lines = np.where(grey < 70, grey, 255).astype(np.uint8)
    drawn = Pil.fromarray(lines, "L").convert("RGB")
    drawn.putalpha(subject.getchannel("A"))
    return drawn
