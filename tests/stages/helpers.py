"""Runs a record stage on files, the way a worker does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

from curate.core.record import Image, Record
from curate.core.stage import Concept, Env, Pixels, RecordStage
from curate.images import PICTURE_FILES
from curate.stages.balance import Balance


def env(root: Path) -> Env:
    return Env(root=root, output=root, pictures=PICTURE_FILES)


def record(path: Path, key: str = "", concept: str = "dog") -> Record:
    return Record(
        key=key or f"{concept}/{path.name}", concept=concept, origin=path.name, image=Image(path.name, str(path))
    )


def held(where: Env, pixels: Pixels, key: str = "dog/a.png", concept: str = "dog") -> Record:
    """A record whose picture is in memory."""
    return where.keep(Record(key=key, concept=concept, origin=key, image=Image("")), np.ascontiguousarray(pixels))


def run(stage: RecordStage, where: Env, *records: Record) -> list[Record]:
    with stage.open(where) as work:
        return list(work(records))


def signed(
    pixels: Pixels, width: int, colour: tuple[int, int, int] = (255, 255, 255), corner: str = "bottom right"
) -> Pixels:
    """With a signature of so many pixels, 12 from the edges."""
    label = PIL.Image.new("RGBA", (220, 70), (0, 0, 0, 0))
    draw = ImageDraw.Draw(label)
    draw.text((6, 8), "J. Smith~", font=ImageFont.load_default(34), fill=(*colour, 200))
    draw.line((4, 56, 200, 50), fill=(*colour, 200), width=3)
    label = label.resize((width, round(width * 70 / 220)))
    canvas = PIL.Image.fromarray(pixels).convert("RGBA")
    left = 12 if "left" in corner else canvas.width - label.width - 12
    top = 12 if "top" in corner else canvas.height - label.height - 12
    canvas.alpha_composite(label, (left, top))
    return np.asarray(canvas.convert("RGB"))


def repeats(
    stage: Balance, pictures: dict[str, int], concepts: dict[str, Concept] | None = None, **given_: int
) -> dict[str, int]:
    settings_ = {name: (concepts or {}).get(name, Concept()) for name in pictures}
    shares = stage.shares(pictures, settings_, {name: given_.get(name, 1) for name in pictures})
    return {name: s.repeats for name, s in shares.items()}
