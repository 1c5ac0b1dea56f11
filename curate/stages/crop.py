"""Stage crop: cuts pictures to what matters: borders off, to given boxes, to what a detector finds, to a ratio."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from curate import picture_names
from curate.core.events import Listener, Note
from curate.core.record import Manifest, Record
from curate.core.stage import Env, Pixels, RecordStage, Resources, Worker
from curate.errors import PictureError
from curate.images import masks

if TYPE_CHECKING:
    from curate.images.analysis.boxes import Box
    from curate.images.analysis.object_detector import Detector


class Crop(RecordStage):
    """Crop pictures: cut off borders of one color, crop to given boxes or to what a detector finds, limit the ratio."""

    trim: bool = Field(default=True, description="Cut off borders, and the flat background around a subject.")
    tolerance: int = Field(
        default=12, ge=0, le=255, description="How much a border's pixels may differ from its color, 0 to 255."
    )
    padding: float = Field(
        default=0.03,
        ge=0,
        le=1,
        description=(
            "Background to keep around the subject, as a share of its longer side. Borders are always"
            " cut off completely."
        ),
    )
    gain: float = Field(
        default=0.04,
        ge=0,
        le=1,
        description="Trim background only if this removes at least this share of the picture. Borders are always cut.",
    )
    aspect: float = Field(
        default=0.0,
        ge=0,
        description="Crop pictures with a more extreme aspect ratio to this one, around the most detail; 0: off.",
    )
    boxes: dict[str, tuple[int, int, int, int]] = Field(
        default={},
        description=(
            "Boxes by picture name or pattern: left, top, right, bottom in pixels. A picture with a "
            "box is cropped to it alone."
        ),
    )
    model: Path | None = Field(
        default=None, description="ONNX object detector on disk. Pictures are cropped to everything that it detects."
    )
    confidence: float = Field(default=0.4, gt=0, le=1, description="Ignore detections with a lower score.")
    classes: tuple[int, ...] = Field(default=(), description="Class numbers of the detector to use. Default: all.")

    version: ClassVar[int] = 2
    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image", "mask"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "facts", "mask"})

    @field_validator("boxes")
    @classmethod
    def _are_boxes(cls, value: dict[str, tuple[int, int, int, int]]) -> dict[str, tuple[int, int, int, int]]:
        for name, (left, top, right, bottom) in value.items():
            if not (0 <= left < right and 0 <= top < bottom):
                raise ValueError(
                    f"{name}: {left}, {top}, {right}, {bottom} is not a box: left < right and top < bottom"
                )
        return value

    def files(self, env: Env) -> Sequence[Path]:
        """The detector."""
        return (self.model,) if self.model else ()

    def key_options(self) -> dict[str, Any]:
        """The detector counts by its content, not by where it lies."""
        return {**super().key_options(), "model": self.model is not None}

    def check_records(self, manifest: Manifest, env: Env, tell: Listener) -> None:
        """Warns of every box whose name means no picture."""
        for line in picture_names.warnings("boxes", self.boxes, (r.key for r in manifest)):
            tell(Note("warning", line, self.name))

    def key_fields(self, record: Record) -> Mapping[str, Any]:
        """The picture, and the box that was given for it by name."""
        return {"image": record.image.digest, "mask": record.mask, "box": picture_names.match(record.key, self.boxes)}

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Loads the detector, where one is given. Raises MissingError, InputError."""
        detector: Detector | None = None
        if self.model:
            from curate.images.analysis.object_detector import Detector

            detector = Detector(self.model, "cpu")

        def one(record: Record) -> Record:
            pixels = env.pixels(record)
            box = self.box(record.key, pixels, detector)
            if (box.width, box.height) == (pixels.shape[1], pixels.shape[0]):
                return record
            record = masks.follow(record, env, box.of)
            return env.keep(record, box.of(pixels)).noting(crop=list(box))

        def work(records: Sequence[Record]) -> Sequence[Record]:
            return [one(record) for record in records]

        yield work

    def box(self, key: str, pixels: Pixels, detector: Detector | None = None) -> Box:
        """What is kept of a picture. Raises PictureError for a box given outside of it."""
        from curate.images.analysis import boxes

        given = picture_names.match(key, self.boxes)
        full = boxes.whole(pixels)
        if given is not None:
            box = boxes.Box(*self.boxes[given])
            if box.right > full.right or box.bottom > full.bottom:
                raise PictureError(f"its box {given!r}: {list(box)} reaches beyond {full.right}×{full.bottom} pixels")
            return box
        box = full
        found = detector(pixels, self.confidence, self.classes) if detector else []
        if found:
            subject = boxes.around([f.box for f in found])
            box = subject.grown(self.padding * max(subject.width, subject.height), full)
        elif self.trim:
            box = self._trimmed(pixels)
        return boxes.busiest(pixels, box, self.aspect) if self.aspect >= 1 else box

    def _trimmed(self, pixels: Pixels) -> Box:
        """The picture without its borders, and without the flat background where that is worth it."""
        from curate.images.analysis import borders

        box = borders.unframed(pixels, self.tolerance)
        subject, reach = borders.trimmed(pixels, self.tolerance, box)
        subject = subject.grown(self.padding * max(subject.width, subject.height), reach)
        small_enough = (1 - self.gain) * pixels.shape[0] * pixels.shape[1]
        return subject if subject.width * subject.height <= small_enough else box
