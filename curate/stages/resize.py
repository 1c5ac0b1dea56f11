"""Stage resize: brings pictures down to a size, and never up unless asked."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from curate.core.record import Record
from curate.core.stage import Env, Pixels, RecordStage, Resources, Worker
from curate.images import DecodeOptions, masks, read_picture


class Resize(RecordStage):
    """Scale pictures down to a longest side or an area, and to multiples of N pixels. Enlarge only if asked."""

    max_side: int = Field(3000, ge=0, description="Longest side in pixels; 0 sets no limit.")
    min_side: int = Field(
        0,
        ge=0,
        description=(
            "Scaling down keeps the shortest side at least this long. With upscale, smaller pictures "
            "are enlarged to it."
        ),
    )
    area: int = Field(0, ge=0, description="Largest width × height, for example 1048576; 0 sets no limit.")
    multiple: int = Field(
        1, ge=1, description="Make both sides multiples of this: scale to cover that size, then center-crop."
    )
    filter: Literal["area", "lanczos"] = Field("area", description="How pixels are averaged when scaling down.")
    linear: bool = Field(False, description="Average in linear light; slower, but keeps fine bright detail.")
    upscale: bool = Field(False, description="Enlarge pictures below min_side with Lanczos interpolation.")
    scaled_decode: bool = Field(
        False,
        description="Decode JPEG sources at 1/2, 1/4 or 1/8 size first if this is the first stage (faster).",
    )

    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image", "mask"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "mask"})

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker; nothing is loaded for it."""
        from curate.images import resample

        def one(record: Record) -> Record:
            pixels, width, height = self._source(record, env)
            scaled, target = self.plan(width, height)
            left, top = (scaled[0] - target[0]) // 2, (scaled[1] - target[1]) // 2

            def cut(p: Pixels) -> Pixels:
                return np.ascontiguousarray(p[top : top + target[1], left : left + target[0]])

            if (width, height) != target:
                record = masks.follow(record, env, lambda p: cut(resample.resize(p, *scaled)))
            return env.keep(record, cut(resample.resize(pixels, *scaled, self.filter, linear=self.linear)))

        def work(records: Sequence[Record]) -> Sequence[Record]:
            return [one(record) for record in records]

        yield work

    def plan(self, width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """(width, height) to scale to, and to cut out of that; both equal the input where nothing is to be done."""
        factor = self._factor(width, height)
        fitted = (max(1, round(width * factor)), max(1, round(height * factor)))
        if self.area and factor < 1 and fitted[0] * fitted[1] > self.area:
            fitted = (max(1, int(width * factor)), max(1, int(height * factor)))
        # a side shorter than one multiple is left: there is nothing to round down to
        target = (
            fitted[0] // self.multiple * self.multiple or fitted[0],
            fitted[1] // self.multiple * self.multiple or fitted[1],
        )
        if target == fitted:
            return fitted, target
        cover = max(target[0] / width, target[1] / height)
        return (max(target[0], round(width * cover)), max(target[1], round(height * cover))), target

    def _factor(self, width: int, height: int) -> float:
        factor = 1.0
        if self.max_side:
            factor = min(factor, self.max_side / max(width, height))
        if self.area:
            factor = min(factor, math.sqrt(self.area / (width * height)))
        if self.min_side:
            floor = self.min_side / min(width, height)
            factor = max(factor, floor) if self.upscale else max(factor, min(1.0, floor))
        return factor

    def _source(self, record: Record, env: Env) -> tuple[Pixels, int, int]:
        """The pixels, and the width and height they have in full."""
        if self.scaled_decode and record.key not in env.held and Path(record.image.path).is_absolute():
            found = read_picture(env.path(record.image), DecodeOptions(at_least=self._needed(record)))
            sides = (found.facts["width"], found.facts["height"])
            return found.pixels, *(sides if found.facts["orientation"] < 5 else sides[::-1])
        pixels = env.pixels(record)
        return pixels, pixels.shape[1], pixels.shape[0]

    def _needed(self, record: Record) -> int:
        """Longest side the decoder must deliver so that no limit of this stage makes it enlarge; 0 asks for all."""
        width, height = record.image.width, record.image.height
        if not width or not height:
            return 0 if self.area or self.min_side else self.max_side
        scaled, _ = self.plan(width, height)
        return max(scaled)
