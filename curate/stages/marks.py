"""Stage marks: finds watermarks and signatures that repeat across the set, and text where a detector is given."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from curate.core.counting import counted
from curate.core.events import Listener, Note
from curate.core.record import Manifest, Record
from curate.core.stage import CompositeStage, DatasetStage, Env, RecordStage, Resources, Stage, Worker
from curate.errors import PictureError, interruption
from curate.images import mark_regions, masks

if TYPE_CHECKING:
    from curate.images.analysis.object_detector import Detector
    from curate.images.analysis.watermarks import Corner, Mark

_Place = tuple["Corner", bool]
_Seen = tuple[Record, list[Any], tuple[int, int]]

# pictures of a concept from which marks are learned; the others are then compared with what was found
_LEARNT_FROM = 240


class Marks(CompositeStage):
    """Find watermarks and signatures that repeat, and text (with a detector); tag, crop, inpaint or mask them."""

    action: Literal["tag", "crop", "inpaint", "mask", "note"] = Field(
        default="tag",
        description="Tag the pictures, crop the mark off, inpaint it, mask it out of the loss, or only report it.",
    )
    least: int = Field(default=4, ge=3, description="Number of pictures in which a mark must repeat.")
    tags: tuple[str, ...] = Field(
        default=("watermark",), description="Tags to add to pictures with a repeated mark (signature …)."
    )
    across: bool = Field(default=False, description="Search all concepts together instead of each on its own.")
    model: Path | None = Field(
        default=None, description="ONNX text detector on disk. Pictures in which it detects text get the tag `text`."
    )
    confidence: float = Field(default=0.4, gt=0, le=1, description="Ignore detections with a lower score.")

    reads: ClassVar[frozenset[str]] = frozenset({"image", "mask", "facts", "tags"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "mask", "facts", "tags"})

    def parts(self) -> Sequence[Stage]:
        """Marks are found over the whole set, then treated picture by picture."""
        return (
            _Find(least=self.least, across=self.across),
            _Treat(action=self.action, tags=self.tags, model=self.model, confidence=self.confidence),
        )


class _Find(DatasetStage):
    """Finds what repeats, and notes it as the fact `marks`."""

    least: int
    across: bool

    part: ClassVar[str] = "search"
    version: ClassVar[int] = 2
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts"})

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """The records with the fact `marks`: for each mark its corner, box, score and strokes."""
        groups: dict[str, list[Record]] = {}
        for record in manifest.present:
            groups.setdefault("" if self.across else record.concept, []).append(record)
        found: dict[str, list[dict[str, Any]]] = {}
        for name, records in groups.items():
            for mark, held in self._search(records, env):
                prefix = f"{name}: " if name else ""
                line = f"{prefix}a mark repeats {mark.corner} in {len(held)} of {counted(len(records), 'picture')}"
                tell(Note("advice", line, self.name))
                for key, what in held.items():
                    found.setdefault(key, []).append(what)
        return Manifest(r.noting(marks=found[r.key]) if r.key in found else r for r in manifest)

    def _search(self, records: Sequence[Record], env: Env) -> Generator[tuple[Mark, dict[str, dict[str, Any]]]]:
        from curate.images.analysis import watermarks

        some = records[:: max(1, -(-len(records) // _LEARNT_FROM))]
        places: list[_Place] = [(corner, scaled) for corner in watermarks.CORNERS for scaled in (True, False)]

        def look(record: Record) -> _Seen | None:
            return _fields(record, env, places)

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            seen = [s for s in pool.map(look, some) if s is not None]
        for corner in watermarks.CORNERS:
            if env.stopping():
                raise interruption()
            both = [n for n, place in enumerate(places) if place[0] == corner]
            found = [
                watermarks.find([s[1][n] for s in seen], corner, scaled=places[n][1], least=self.least) for n in both
            ]
            mark = max((m for m in found if m), key=lambda m: m.clear, default=None)
            if mark is not None:
                yield mark, self._holders(mark, seen, [r for r in records if all(r is not s[0] for s in seen)], env)

    def _holders(
        self, mark: Mark, seen: Sequence[_Seen], unseen: Sequence[Record], env: Env
    ) -> dict[str, dict[str, Any]]:
        """What is noted of each picture that carries the mark: of those it was learned from, and of the rest."""
        from curate.images.analysis import watermarks

        scores = {seen[i][0].key: (score, seen[i][2]) for i, score in zip(mark.members, mark.scores, strict=True)}
        if unseen:
            place = (mark.corner, mark.scaled)
            n = [(c, s) for c in watermarks.CORNERS for s in (True, False)].index(place)
            members = [seen[i][1][n] for i in mark.members]
            for record in unseen:
                other = _fields(record, env, [place])
                score = watermarks.score(other[1][0], members, mark) if other else 0.0
                if other and score >= watermarks.LIKE * float(np.median(mark.scores)):
                    scores[record.key] = (score, other[2])
        return {key: mark_regions.described(mark, score, *size) for key, (score, size) in scores.items()}


def _fields(
    record: Record, env: Env, places: Sequence[tuple[Corner, bool]]
) -> tuple[Record, list[Any], tuple[int, int]] | None:
    from curate.images.analysis import watermarks

    try:
        pixels = env.pixels(record)
    except PictureError:  # whoever reads it next says so
        return None
    fields = [watermarks.field(pixels, corner, scaled=scaled) for corner, scaled in places]
    return record, fields, (pixels.shape[1], pixels.shape[0])


class _Treat(RecordStage):
    """Does with each picture's marks what was asked for."""

    action: Literal["tag", "crop", "inpaint", "mask", "note"]
    tags: tuple[str, ...]
    model: Path | None
    confidence: float

    resources: ClassVar[Resources] = Resources(cpus=1)
    part: ClassVar[str] = "treatment"
    reads: ClassVar[frozenset[str]] = frozenset({"image", "mask", "facts", "tags"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "mask", "facts", "tags"})

    def files(self, env: Env) -> Sequence[Path]:
        """The detector."""
        return (self.model,) if self.model else ()

    def key_options(self) -> dict[str, Any]:
        """The detector counts by its content, not by where it lies."""
        return {**super().key_options(), "model": self.model is not None}

    @property
    def makes_masks(self) -> bool:
        """Whether marks are left out of the loss."""
        return self.action == "mask"

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Loads the detector, where one is given. Raises MissingError, InputError."""
        detector: Detector | None = None
        if self.model:
            from curate.images.analysis.object_detector import Detector

            detector = Detector(self.model, "cpu")

        def work(records: Sequence[Record]) -> Sequence[Record]:
            return [self._one(record, env, detector) for record in records]

        yield work

    def _one(self, record: Record, env: Env, detector: Detector | None) -> Record:
        marks: list[dict[str, Any]] = record.facts.get("marks", [])
        texts = [list(f.box) for f in detector(env.pixels(record), self.confidence)] if detector else []
        if texts:
            record = record.noting(text=texts)
        if self.action == "note" or not (marks or texts):
            return record
        if self.action == "tag":
            wanted = (*(self.tags if marks else ()), *(("text",) if texts else ()))
            found = {f"tag:{tag}": True for tag in wanted}
            return dataclasses.replace(
                record.noting(**found), tags=(*record.tags, *(t for t in wanted if t not in record.tags))
            )
        pixels = env.pixels(record)
        if self.action == "crop":
            box = mark_regions.without(pixels, marks, texts)
            return env.keep(masks.follow(record, env, box.of), box.of(pixels))
        if self.action == "mask":
            # the ends of a signature may be too thin to count among its strokes: out of the
            # loss goes what is around them
            hidden = mark_regions.covered(
                pixels, marks, [*(mark_regions.around(m["box"], pixels) for m in marks), *texts]
            )
            before = masks.read(env.file(record.mask)) if record.mask else masks.white(*hidden.shape[::-1])
            mask = np.where(hidden > 0, 0, masks.fitted(before, *hidden.shape[::-1])).astype(np.uint8)
            return dataclasses.replace(record.noting(masked=True), mask=masks.save(mask, env))
        return env.keep(record, mark_regions.painted_over(pixels, marks, texts))
