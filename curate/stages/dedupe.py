"""Stage dedupe: sets aside pictures that are there already, the same to the pixel or nearly so."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curate.core.events import Listener, Note
from curate.core.record import Manifest, Record
from curate.core.stage import DatasetStage, Env, Pixels, RecordStage, Resources, Stage, Worker
from curate.errors import PictureError

if TYPE_CHECKING:
    from curate.images.duplicates.likeness import Likeness


_COPY = re.compile(r"(?i)^(copy|kopie) (of|von) |[ _-](copy|kopie|copie|copia)([ _-]*\(?\d+\)?)?$|\(\d+\)$")


class _Fingerprint(RecordStage):
    """Hashes of each picture and its sharpness, noted as the fact `fingerprint`."""

    version: ClassVar[int] = 3
    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts"})

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        from curate.images.analysis import metrics
        from curate.images.duplicates import likeness, perceptual_hash

        def one(record: Record) -> Record:
            pixels = env.pixels(record)
            whole, parts = perceptual_hash.hashes(likeness.small(pixels))
            found = {
                "pixels": perceptual_hash.pixel_digest(pixels),
                "whole": f"{whole:016x}",
                "parts": "".join(f"{p:016x}" for p in parts),
                "sharpness": metrics.sharpness(pixels),
                "area": pixels.shape[0] * pixels.shape[1],
                "reduced": _is_reduced(pixels),
            }
            return record.noting(fingerprint=found)

        yield lambda records: [one(record) for record in records]


class Dedupe(DatasetStage):
    """Set aside duplicates: equal pixels, and near ones by hash and a look at the pictures themselves."""

    near: bool = Field(
        default=True, description="Also find copies that were scaled, recompressed, recoloured or cropped."
    )
    crops: bool = Field(default=True, description="Count a picture that is a part of another as its duplicate.")
    variants: bool = Field(
        default=False, description="Count pictures alike but for one place (another face) as duplicates."
    )
    distance: int = Field(
        default=10, ge=0, le=11, description="Bits of 64 in which the hashes of near pictures may differ."
    )
    correlation: float = Field(
        default=0.92, gt=0, le=1, description="How well near pictures must match once they lie on one another."
    )
    difference: float = Field(
        default=60.0, gt=0, le=255, description="Largest difference of any one place in near pictures, of 255."
    )
    smallest: float = Field(
        default=0.68, ge=0.4, le=1, description="A part below this share of the other's sides is a picture of its own."
    )
    across: bool = Field(default=True, description="Look for duplicates across concepts, not only within each.")
    keep: Literal["largest", "sharpest", "first"] = Field(
        default="largest",
        description="Which copy stays: the largest (then sharpest), the sharpest, or the first by name.",
    )

    version: ClassVar[int] = 2
    reads: ClassVar[frozenset[str]] = frozenset({"image", "facts"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts", "aside"})

    def parts(self) -> Sequence[Stage]:
        """The fingerprints, remembered picture by picture, then the search."""
        return (_Fingerprint(), self)

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """The duplicates set aside, with the facts duplicate (equal, near), duplicate_of, likeness and, for a part, share."""
        rows = [r for r in manifest if not r.aside and "fingerprint" in r.facts]
        rows.sort(key=self._rank)
        likenesses = self._pairs(rows, env)
        found: dict[str, Record] = {}
        for n, record in enumerate(rows):
            if record.key in found:
                continue
            # copies of what stays, not copies of copies: a chain would drift from picture to picture
            for other in sorted(likenesses.get(n, {})):
                copy = rows[other]
                if other > n and copy.key not in found:
                    found[copy.key] = _set_aside(copy, record, likenesses[n][other])
        if found:
            exact = sum(r.facts["duplicate"] == "equal" for r in found.values())
            tell(
                Note(
                    "info",
                    f"{len(found)} duplicate{'' if len(found) == 1 else 's'}: {exact} equal, {len(found) - exact} near",
                    self.name,
                )
            )
        return Manifest(found.get(r.key, r) for r in manifest)

    def _rank(self, record: Record) -> tuple[float, float, float, bool, int, str]:
        if self.keep == "first":
            return 0.0, 0.0, 0.0, False, 0, record.key
        found = record.facts["fingerprint"]
        # dots and bands of few colours are measured as sharp, and are none of it
        large, sharp, reduced = -float(found["area"]), -float(found["sharpness"]), float(found["reduced"])
        order = (large, reduced, sharp) if self.keep == "largest" else (reduced, sharp, large)
        # of equals the original stays: what copies are called is longer, and often says so
        stem = PurePosixPath(record.key).stem
        return *order, _COPY.search(stem) is not None, len(stem), record.key

    def _pairs(self, rows: Sequence[Record], env: Env) -> dict[int, dict[int, Likeness]]:
        """Likeness of every pair of duplicates, both ways round."""
        from curate.images.duplicates.likeness import Likeness

        found: dict[int, dict[int, Likeness]] = {}

        def add(a: int, b: int, likeness: Likeness) -> None:
            found.setdefault(a, {})[b] = found.setdefault(b, {})[a] = likeness

        first: dict[tuple[str, str], int] = {}
        for n, record in enumerate(rows):
            same = (record.facts["fingerprint"]["pixels"], "" if self.across else record.concept)
            if first.setdefault(same, n) != n:
                add(first[same], n, Likeness(1.0, 0.0))
        if self.near:
            for (a, b), likeness in self._near(rows, sorted(first.values()), env):
                add(a, b, likeness)
        return found

    def _near(self, rows: Sequence[Record], chosen: list[int], env: Env) -> Generator[tuple[tuple[int, int], Likeness]]:
        from curate.images.duplicates.candidates import candidates

        prints = [rows[n].facts["fingerprint"] for n in chosen]
        whole = [int(p["whole"], 16) for p in prints]
        parts = [_unpacked(p["parts"]) if self.crops else [] for p in prints]
        pairs = sorted((chosen[a], chosen[b]) for a, b in candidates(whole, parts, self.distance))
        if not self.across:
            pairs = [(a, b) for a, b in pairs if rows[a].concept == rows[b].concept]
        workers = os.cpu_count() or 1
        with ThreadPoolExecutor(workers) as pool:
            look = _Looks(rows, env, parts=self.crops)
            for start in range(0, len(pairs), 64):
                if env.stopping():
                    return
                some = pairs[start : start + 64]
                for pair, likeness in zip(some, pool.map(look, some), strict=True):
                    if likeness is not None and self._alike(likeness):
                        yield pair, likeness

    def _alike(self, found: Likeness) -> bool:
        if found.correlation < self.correlation or found.difference > self.difference or found.share < self.smallest:
            return False
        return self.variants or found.focus <= _ONE_PLACE or found.difference <= _IMPERCEPTIBLE


# measured: scaled, recompressed, recoloured and cropped photographs stay below 18, drawings with another face above 28
_ONE_PLACE = 22.0
_IMPERCEPTIBLE = 3.0


class _Looks:
    """Compares pairs of pictures; small versions of those seen are kept, 50 KB each."""

    def __init__(self, rows: Sequence[Record], env: Env, *, parts: bool) -> None:
        self._rows, self._env, self._parts = rows, env, parts
        self._seen: dict[int, Any] = {}

    def __call__(self, pair: tuple[int, int]) -> Likeness | None:
        from curate.images.duplicates.likeness import likeness

        first, second = self._small(pair[0]), self._small(pair[1])
        return None if first is None or second is None else likeness(first, second, parts=self._parts)

    def _small(self, n: int) -> Any:
        from curate.images.duplicates.likeness import small

        if n not in self._seen:
            try:
                self._seen[n] = small(self._env.pixels(self._rows[n]))
            except PictureError:  # its file went since it was hashed: whoever reads it next says so
                self._seen[n] = None
        return self._seen[n]


def _set_aside(copy: Record, kept: Record, likeness: Likeness) -> Record:
    equal = copy.facts["fingerprint"]["pixels"] == kept.facts["fingerprint"]["pixels"]
    facts: dict[str, Any] = {
        "duplicate": "equal" if equal else "near",
        "duplicate_of": kept.key,
        "likeness": likeness.correlation,
    }
    if likeness.share < 1:
        facts["share"] = likeness.share
    return dataclasses.replace(copy.noting(**facts), aside=f"{'' if equal else 'near '}duplicate of {kept.key}")


def _is_reduced(pixels: Pixels) -> bool:
    """Whether the picture has no more than the 256 colours of a palette or of greys, by a sample of up to 128×128."""
    height, width = pixels.shape[:2]
    some = pixels[:: max(1, height // 128), :: max(1, width // 128)].reshape(-1, 3).astype(np.uint32)
    return len(np.unique(some @ np.array([65536, 256, 1], np.uint32))) <= 256


def _unpacked(parts: str) -> NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex(parts), ">u8").astype(np.uint64)
