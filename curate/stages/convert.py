"""Stage convert: any picture file becomes upright, opaque 8-bit sRGB in one format trainers read."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from curate.core.record import Record
from curate.core.stage import Env, RecordStage, Resources, Worker
from curate.errors import InputError
from curate.images import MAX_PIXELS, Decoded, DecodeOptions, parse_colour, read_frames, read_picture


class Convert(RecordStage):
    """Convert every picture to plain PNG (or JPEG, WebP): upright, sRGB, 8 bits per channel, opaque, no metadata."""

    background: str = Field("white", description="Color behind transparent parts: a name or #rrggbb.")
    format: Literal["png", "jpeg", "webp"] = Field("png", description="File format to write.")
    quality: int = Field(95, ge=1, le=100, description="Quality of JPEG and WebP.")
    png_level: int | None = Field(
        None,
        ge=0,
        le=9,
        description="zlib level of PNG, 0 to 9 as in other programs. Default: a faster encoder.",
    )
    frames: Literal["first", "every", "all"] = Field(
        "first", description="Frames of an animation to keep: the first, every n-th, or all."
    )
    every: int = Field(
        10, ge=1, description="With --frames every: keep one frame in this many, starting with the first."
    )
    max_pixels: int = Field(
        MAX_PIXELS,
        ge=1,
        description=(
            "Set a file aside if its width × height is larger than this (protects against decompression bombs)."
        ),
    )
    accept_truncated: bool = Field(
        False, description="Keep the readable part of damaged files instead of setting them aside."
    )
    at_least: int = Field(
        0,
        ge=0,
        description=(
            "Decode JPEGs at 1/2, 1/4 or 1/8 size while the longest side stays at least this long; 0 "
            "decodes at full size."
        ),
    )

    version: ClassVar[int] = 4  # 4: colours declared by numbers (cICP, nclx)
    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image", "facts"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "facts", "encoding", "notes"})

    @field_validator("background")
    @classmethod
    def _is_a_colour(cls, value: str) -> str:
        try:
            parse_colour(value)
        except InputError as error:
            raise ValueError(str(error)) from None
        return value

    @property
    def keeps_truncated(self) -> bool:
        """As the option says."""
        return self.accept_truncated

    @property
    def encoding(self) -> str:
        """How the pictures are written, as `Record.encoding` says it."""
        if self.format != "png":
            return f"{self.format}:{self.quality}"
        return "png" if self.png_level is None else f"png:{self.png_level}"

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Yields the worker; nothing is loaded for it."""
        options = DecodeOptions(
            background=parse_colour(self.background),
            max_pixels=self.max_pixels,
            accept_truncated=self.accept_truncated,
            every={"first": 0, "every": self.every, "all": 1}[self.frames],
            at_least=self.at_least,
        )

        def work(records: Sequence[Record]) -> Sequence[Record]:
            return [done for record in records for done in self._one(record, env, options)]

        yield work

    def _one(self, record: Record, env: Env, options: DecodeOptions) -> list[Record]:
        if record.key in env.held:
            return [dataclasses.replace(record, encoding=self.encoding)]
        path = env.path(record.image)
        found = read_frames(path, options) if options.every else [read_picture(path, options)]
        if len(found) == 1:
            return [self._entered(record, record.key, found[0], env)]
        return [
            self._entered(record, f"{record.key}#{number}", decoded, env) for number, decoded in enumerate(found, 1)
        ]

    def _entered(self, record: Record, key: str, decoded: Decoded, env: Env) -> Record:
        # what an earlier entry noted is about the source; a second convert sees only our own file
        facts = {**decoded.facts, **record.facts}
        if decoded.facts.get("truncated"):
            rows, height = decoded.facts.get("rows", 0), decoded.facts["height"]
            record = record.noting(
                f"a damaged file: {f'{rows} of {height} rows' if rows < height else 'not all of it'} could be read"
            )
        record = record.noting(*_colour_notes(decoded.facts))
        return env.keep(record, decoded.pixels, key=key, encoding=self.encoding, facts=facts)


def _colour_notes(facts: Mapping[str, Any]) -> Iterator[str]:
    """What a person would want to know of a picture's colours."""
    if signal := facts.get("tone_mapped"):
        yield f"high dynamic range ({signal}): highlights compressed to sRGB with ITU-R BT.2390, paper white 203 cd/m²"
    if error := facts.get("cicp_error"):
        yield f"its colors are read as sRGB: {error}"
    if error := facts.get("profile_error"):
        yield f"its color profile cannot be used, so its colors are read without it: {error}"
