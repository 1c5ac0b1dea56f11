"""Stage dedupe: sets aside pictures that are there already, the same to the pixel or nearly so."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from curate.core.counting import counted
from curate.core.events import Listener, Note
from curate.core.packed import Packed
from curate.core.record import FINGERPRINT, PACKING, Manifest, Record
from curate.core.stage import DatasetStage, Env, Pixels, RecordStage, Resources, Stage, Worker
from curate.core.user_changes import MOVED_FROM, UNTRANSFORMED
from curate.folder import source_key
from curate.images.duplicates import VERSION
from curate.images.duplicates.grouping import Match, alike_records, choose, is_compared
from curate.images.duplicates.inheritance import inherit
from curate.images.duplicates.keeper import Rule, is_noisier

if TYPE_CHECKING:
    from curate.images.duplicates.compared import Compared
    from curate.images.duplicates.likeness import Likeness


class _Fingerprint(RecordStage):
    """Hashes of each picture and what tells a good copy from a bad one, noted as the fact `fingerprint`."""

    near: bool = True

    part: ClassVar[str] = "fingerprints"
    version: ClassVar[int] = VERSION
    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts"})

    def key_options(self) -> dict[str, Any]:
        """Nothing for whole fingerprints, as before there were others."""
        return {} if self.near else {"near": False}

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        from curate.images.duplicates.fingerprint import fingerprint

        def noted(record: Record) -> Record:
            return record.noting(fingerprint=fingerprint(env.pixels(record), near=self.near))

        yield lambda records: [noted(record) for record in records]


class _Search(DatasetStage):
    """Finds pictures that are alike, and notes them as the fact `alike`."""

    near: bool
    crops: bool
    variants: bool
    distance: int
    correlation: float
    difference: float
    smallest: float
    across: bool

    part: ClassVar[str] = "comparison"
    version: ClassVar[int] = 3
    reads: ClassVar[frozenset[str]] = frozenset({"image", "facts"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts"})

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """The records with the fact `alike`. Raises Interrupted once the user stops: half a search is no result."""
        from curate.images.duplicates import compared, matches

        if any(map(_before, manifest)):
            manifest = Manifest(map(_as_it_came, manifest), unique=True)
        rows = compared.read((n, r, self._places(r)) for n, r in enumerate(manifest) if is_compared(r))
        found = matches.Matches()
        first = rows.first_equal()
        copies = np.flatnonzero(first != np.arange(len(first)))
        for one, copy in zip(rows.numbers[first[copies]].tolist(), rows.numbers[copies].tolist(), strict=True):
            found.add(one, copy)
        if self.near:
            rows = rows[np.flatnonzero(first == np.arange(len(first)))]
            for one, other, likeness, leads in self._near(manifest, rows, env):
                found.add(one, other, (likeness.correlation, likeness.share), leads=leads)
        return found.noted(manifest)

    def _places(self, record: Record) -> Sequence[str]:
        """Where a record's equals are looked for."""
        return sorted(_concepts(record)) if not self.across else ("",)

    def _near(self, manifest: Manifest, rows: Compared, env: Env) -> Generator[tuple[int, int, Likeness, bool]]:
        """Numbers of two records that are alike, how alike, and whether the first one leads a crowd."""
        from curate.images.duplicates.candidates import candidates
        from curate.images.duplicates.comparison import Comparison, Limits
        from curate.images.duplicates.near import near_matches

        place = np.full(len(manifest), -1)
        place[rows.numbers] = np.arange(len(rows.numbers))
        hashes = ((int(i), r.facts[FINGERPRINT]) for i, r in zip(place, manifest, strict=True) if i >= 0)
        parts = ((i, _unpacked(own["parts"])) for i, own in hashes) if self.crops else ()
        pairs = candidates(rows.whole, parts, self.distance)
        pairs = pairs if self.across else rows.in_one_concept(pairs)
        # without their hashes they are read here and there many times as fast
        bare = Packed((_without_fingerprint(r) for r in manifest), PACKING)
        limits = Limits(self.correlation, self.difference, self.smallest, self.crops, self.variants)
        compare = Comparison(lambda record: _pixels(record, env), limits)
        numbers = rows.numbers
        for a, b, likeness, leads in near_matches(pairs, lambda i: bare[int(numbers[i])], compare, env.stopping):
            yield int(numbers[a]), int(numbers[b]), likeness, leads


class Dedupe(DatasetStage):
    """Set aside duplicates: identical pictures, and near duplicates (found by hash, confirmed by comparing pixels).

    A picture that differs in color or in one place (another expression, other words) is not a duplicate. The picture
    that stays takes over captions and edits of its duplicates.
    """

    near: bool = Field(
        default=True, description="Also detect copies that were scaled, recompressed, brightened or cropped."
    )
    crops: bool = Field(default=True, description="Count a crop of another picture as its duplicate.")
    variants: bool = Field(
        default=False,
        description=("Also remove pictures that differ only in color or in one spot (a different expression or text)."),
    )
    distance: int = Field(
        default=10, ge=0, le=11, description="Largest hash difference (of 64 bits) for near duplicates."
    )
    correlation: float = Field(
        default=0.92,
        gt=0,
        le=1,
        description="How well near duplicates must match once they are aligned; 1 is a perfect match.",
    )
    difference: float = Field(
        default=60.0, gt=0, le=255, description="Largest local difference allowed between near duplicates, 0 to 255."
    )
    smallest: float = Field(
        default=0.68,
        ge=0.4,
        le=1,
        description="Ignore crops whose sides are smaller than this share of the whole picture.",
    )
    across: bool = Field(default=True, description="Also look for duplicates across concepts, not only within each.")
    keep: Rule = Field(
        default="largest",
        description=(
            "Copy to keep: the largest, the sharpest, or the first by name. A copy with added noise is never preferred."
        ),
    )

    version: ClassVar[int] = 3
    reads: ClassVar[frozenset[str]] = frozenset({"image", "facts", "imported", "edited", "tags", "sentence", "trigger"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts", "aside", "imported", "edited", "tags", "sentence", "notes"})

    def parts(self) -> Sequence[Stage]:
        """The fingerprints, remembered picture by picture; the search; then the choice, anew after an edit."""
        return (_Fingerprint(near=self.near), _Search(**self.model_dump(exclude={"keep"})), self)

    def key_options(self) -> dict[str, Any]:
        """The choice minds one option; the others are those of the search."""
        return {"keep": self.keep}

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """The duplicates set aside, with the facts duplicate, duplicate_of, likeness and, for a part, share."""
        rows = alike_records(manifest)
        changed: dict[str, Record] = {}
        for kept, copies in choose(rows, self.keep):
            noisier = {r.key for r, _ in copies if self.keep != "first" and is_noisier(r, [kept])}
            for copy, match in copies:
                changed[copy.key] = _set_aside(copy, kept, match, noisier=copy.key in noisier)
            changed[kept.key] = self._inheriting(kept, copies, tell)
        duplicates = [r for r in changed.values() if r.aside]
        if duplicates:
            exact = sum(r.facts["duplicate"] == "equal" for r in duplicates)
            line = f"{counted(len(duplicates), 'duplicate')}: {exact} equal, {len(duplicates) - exact} near"
            tell(Note("info", line, self.name))
        if not changed:
            return manifest
        return Manifest((self._with(r, changed[r.key]) if r.key in changed else r for r in manifest), unique=True)

    def _with(self, record: Record, changed: Record) -> Record:
        """A record with what was changed on its slim copy."""
        facts = {**changed.facts, FINGERPRINT: record.facts[FINGERPRINT]}
        written = {name: getattr(changed, name) for name in self.writes}
        return dataclasses.replace(record, **{**written, "facts": facts})

    def _inheriting(self, kept: Record, copies: Sequence[tuple[Record, Match]], tell: Listener) -> Record:
        """The picture that stays with the captions and edits of its copies, best match first; each is told."""
        for copy, (_, share) in sorted(copies, key=lambda item: (-item[1][1], -item[1][0], item[0].key)):
            kept, lines = inherit(kept, copy, same_content=share == 1)
            for line in lines:
                tell(Note("info", line, self.name, kept.key))
            kept = kept.noting(*(f"dedupe: {line}" for line in lines))
        return kept


def _set_aside(copy: Record, kept: Record, match: Match, *, noisier: bool) -> Record:
    equal = copy.facts["fingerprint"]["pixels"] == kept.facts["fingerprint"]["pixels"]
    correlation, share = match
    facts: dict[str, Any] = {
        "duplicate": "equal" if equal else "near",
        "duplicate_of": kept.key,
        "likeness": correlation,
    }
    if share < 1:
        facts["share"] = share
    lines = [f"dedupe: {kept.key} stays, it has less noise"] if noisier else []
    return dataclasses.replace(copy.noting(*lines, **facts), aside=f"{'' if equal else 'near '}duplicate of {kept.key}")


def _as_it_came(record: Record) -> Record:
    """The record with the fingerprint of its picture before a person cropped, turned or mirrored it.

    Else the duplicates of such a picture would come back, since it does not resemble them any more.
    """
    before = _before(record)
    return record.noting(fingerprint=before["fingerprint"]) if before else record


def _before(record: Record) -> Mapping[str, Any] | None:
    """What is kept of the picture before a person's own changes. A part of the changed picture is compared as it is."""
    before = record.facts.get(UNTRANSFORMED)
    return before if before and before["part"] == record.key[len(source_key(record.key)) :] else None


def _pixels(record: Record, env: Env) -> Pixels:
    """The picture that is compared. Raises PictureError."""
    before = _before(record)
    return env.pictures.read(env.root / before["path"]) if before else env.pixels(record)


def _concepts(record: Record) -> frozenset[str]:
    """The record's concept, and the one from which a person moved it."""
    return frozenset({record.concept, record.facts.get(MOVED_FROM, record.concept)})


def _without_fingerprint(record: Record) -> Record:
    facts = {name: fact for name, fact in record.facts.items() if name != FINGERPRINT}
    return dataclasses.replace(record, facts=facts)


def _unpacked(parts: str) -> NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex(parts), ">u8").astype(np.uint64)
