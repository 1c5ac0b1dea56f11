"""Stage inspect: measures every picture, tells what is fine from what needs editing, and sums up each concept."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator

from curate.core.counting import counted
from curate.core.events import Listener, Note
from curate.core.record import Manifest, Record
from curate.core.stage import Concept, DatasetStage, Env, Findings, RecordStage, Resources, Stage, Worker
from curate.images.analysis import quality
from curate.images.analysis.quality import Fault, SizeRule

# pictures for a concept: floor, least, best, most
_ADVICE = {"style": (8, 50, "125 to 150", 200)}
_OTHERS = (8, 15, "about 30", 50)


class _Measure(RecordStage):
    """Measurements of each picture, noted as the fact `measures`."""

    part: ClassVar[str] = "measures"
    version: ClassVar[int] = 4
    resources: ClassVar[Resources] = Resources(cpus=1)
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts"})

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        from curate.images import read_picture
        from curate.images.analysis import borders, enlargement, metrics

        def one(record: Record) -> Record:
            entered = None if record.key in env.held else read_picture(env.path(record.image))
            pixels = entered.pixels if entered else env.pixels(record)
            colour, share = metrics.border_colour(pixels)
            measures = {
                "width": pixels.shape[1],
                "height": pixels.shape[0],
                "blur": metrics.blur(pixels),
                "enlarged": enlargement.factor(pixels),
                "blocks": metrics.blockiness(pixels),
                "noise": metrics.noise(pixels),
                "blank": metrics.uniform(pixels),
                "border": "#{:02x}{:02x}{:02x}".format(*colour),
                "border_share": share,
                "borders": list(borders.borders(pixels)),
                "white": min(colour) >= 245 and share >= 0.9,
                "profile": entered.facts.get("profile", "") if entered else "",
            }
            return record.noting(measures=measures)

        yield lambda records: [one(record) for record in records]


class Inspect(DatasetStage):
    """Measure pictures, list those that need editing, and say whether each concept has enough pictures."""

    resolution: int = Field(
        default=1024,
        ge=64,
        description="Training resolution. It decides which pictures are too small. In a pipeline that trains, its "
        "default is the resolution of the training.",
    )
    growth: float = Field(
        default=2.0, ge=1, description="Flag pictures that training would enlarge more than this many times."
    )
    blur: float = Field(default=0.62, ge=0, le=1, description="Flag pictures blurrier than this, 0 to 1.")
    enlarged: float = Field(
        default=1.2, ge=1, description="Flag pictures that seem to have been upscaled by at least this factor."
    )
    border: int = Field(default=2, ge=1, description="Flag frames and bars at least this wide, in pixels.")
    blocks: float = Field(
        default=1.6,
        ge=1,
        description=("Flag pictures with visible JPEG blocks: their blockiness is at least this; 1 means no blocks."),
    )
    noise: float = Field(default=6.0, ge=0, description="Flag pictures with at least this much luma noise, 0 to 255.")
    blank: float = Field(
        default=0.97, gt=0, le=1, description="Flag pictures of which at least this share is one color."
    )
    aspect: float = Field(default=3.0, ge=1, description="Flag pictures with at least this aspect ratio, wide or tall.")
    drop: tuple[Fault, ...] | dict[Fault, float | None] = Field(
        default=(),
        description="Set pictures with these faults aside. A fault may have its own limit: blur=0.7.",
    )

    reads: ClassVar[frozenset[str]] = frozenset({"image", "facts"})
    writes: ClassVar[frozenset[str]] = frozenset({"facts", "aside"})
    concept_reads: ClassVar[frozenset[str]] = frozenset({"kind"})
    read_only: ClassVar[bool] = True

    @field_validator("drop", mode="before")
    @classmethod
    def _with_limits(cls, given: Any) -> Any:
        """A name, a list of names (each with `=limit` as on a command line) or a mapping of limits."""
        if isinstance(given, Mapping):
            return {fault: quality.limit(fault, value) for fault, value in given.items() if value is not False}
        if isinstance(given, str):
            given = (given,)
        if not isinstance(given, (list, tuple)):
            raise ValueError("takes names of faults, or a mapping of faults to limits")  # noqa: TRY004
        pairs = [str(one).partition("=")[::2] for one in given]
        limits = {name.strip(): quality.limit(name.strip(), value.strip() or None) for name, value in pairs}
        return limits if any(limit is not None for limit in limits.values()) else tuple(limits)

    def before_training(self, options: Callable[[], Mapping[str, Any]]) -> Self:
        """The stage with the training's resolution, the largest of several, where none is given."""
        if "resolution" in self.model_fields_set or not (given := options().get("resolution")):
            return self
        largest = max(given) if isinstance(given, tuple) else given
        return self.model_copy(update={"resolution": largest})

    def parts(self) -> Sequence[Stage]:
        """The measurements, remembered picture by picture, then the judgement."""
        return (_Measure(), self)

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """The records with the facts `triage` (fine, edit) and `faults` (fault: reason); dropped ones set aside."""
        judged = Manifest(self._judged(r) if not r.aside and "measures" in r.facts else r for r in manifest)
        for record in judged:
            for reason in record.facts.get("faults", {}).values() if not record.aside else ():
                tell(Note("info", f"needs editing: {reason}", self.name, record.key))
        for name, records in _by_concept(judged.present).items():
            for level, line in _about(name, records, env.concepts.get(name, Concept())):
                tell(Note(level, line, self.name))
        return judged

    def findings(self, manifest: Manifest, env: Env) -> Findings:
        """A row for each picture that needs editing or is set aside, one for each concept, and the totals."""
        pictures = [_plain(r) for r in manifest]
        wrong = [(p["key"], _size(p), p["aside"] or "; ".join(p["faults"].values())) for p in pictures]
        counts = {n: _counts(rows, env.concepts.get(n, Concept())) for n, rows in _by_concept(manifest).items()}
        totals = {what: sum(c[what] for c in counts.values()) for what in ("fine", "edit", "aside")}
        return Findings(
            tables=(
                (("picture", "size", "needs editing because"), *(row for row in wrong if row[2])),
                (
                    ("concept", "kind", "pictures", "fine", "to edit", "aside", "advice"),
                    *(
                        (
                            name,
                            c["kind"],
                            *(f"{c[n]:,}" for n in ("pictures", "fine", "edit", "aside")),
                            "; ".join(c["advice"]),
                        )
                        for name, c in counts.items()
                    ),
                ),
            ),
            closing=(
                f"fine as it is: {totals['fine']:,}   needs editing: {totals['edit']:,}"
                + (f"   set aside: {totals['aside']:,}" if totals["aside"] else ""),
            ),
            data={"pictures": pictures, "concepts": counts, **totals},
        )

    def _judged(self, record: Record) -> Record:
        from curate.train.data.buckets import enlargement

        own = self._own_limits()
        faults = quality.faults(own, own, SizeRule(self.growth, enlargement), record)
        given: dict[Fault, float] = {fault: x for fault, x in self._limits().items() if x is not None}
        unset: dict[Fault, float] = {fault: own[fault] for fault, x in self._limits().items() if x is None}
        # a resolution that is given for size alone is meant to the pixel
        dropped = [
            *quality.faults(unset, own, SizeRule(self.growth, enlargement), record).values(),
            *quality.faults(given, own, SizeRule(1, enlargement), record).values(),
        ]
        noted = record.noting(triage="edit" if faults else "fine", faults=faults)
        return dataclasses.replace(noted, aside="; ".join(dropped)) if dropped else noted

    def _own_limits(self) -> dict[Fault, float]:
        return {
            "blank": self.blank,
            "blur": self.blur,
            "enlarged": self.enlarged,
            "border": float(self.border),
            "blocks": self.blocks,
            "noise": self.noise,
            "aspect": self.aspect,
            "small": float(self.resolution),
            "damaged": 0.0,
        }

    def _limits(self) -> dict[Fault, float | None]:
        return dict(self.drop) if isinstance(self.drop, Mapping) else dict.fromkeys(self.drop)


def _by_concept(records: Manifest) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda r: r.concept):
        found.setdefault(record.concept, []).append(record)
    return found


def _about(name: str, records: Sequence[Record], concept: Concept) -> Generator[tuple[str, str]]:
    edit = sum(r.facts.get("triage") == "edit" for r in records)
    sizes = sorted(
        r.facts["measures"]["width"] * r.facts["measures"]["height"] for r in records if "measures" in r.facts
    )
    middle = f"{sizes[len(sizes) // 2] / 1e6:.1f} megapixels in the middle" if sizes else "not measured"
    yield "info", f"{name}: {counted(len(records), 'picture')}, {len(records) - edit} fine, {edit} to edit, {middle}"
    for level, line in _advice(records, concept):
        yield level, f"{name}: {line}"


def _advice(records: Sequence[Record], concept: Concept) -> Generator[tuple[str, str]]:
    floor, least, best, most = _ADVICE.get(concept.kind, _OTHERS)
    if len(records) < floor:
        few = "is too few" if len(records) == 1 else "are few"
        yield "warning", f"{counted(len(records), 'picture')} {few}: use at least {floor}, {best} are best"
    elif not least <= len(records) <= most:
        article = "an" if concept.kind == "object" else "a"
        yield (
            "advice",
            f"{counted(len(records), 'picture')}; {least} to {most} suit {article} {concept.kind}, {best} are best",
        )
    white = sum(bool(r.facts.get("measures", {}).get("white")) for r in records)
    if 2 * white > len(records):
        yield "advice", f"{white} of {len(records)} have a white background: tag `white background`"
    marked = sum("consent" in r.facts for r in records)
    if marked:
        yield "warning", f"{counted(marked, 'picture is', 'pictures are')} marked 'no AI training'"
    unchecked = sum("unchecked" in r.facts for r in records)
    if unchecked:
        yield "warning", f"{counted(unchecked, 'picture')} could not be checked for a 'no AI training' mark"
    profiles = sum(bool(_profile(r)) for r in records)
    if profiles:
        yield "info", f"{profiles} have a color profile"


def _counts(records: Sequence[Record], concept: Concept) -> dict[str, Any]:
    """A concept's figures; what is set aside does not count as one of its pictures."""
    floor, least, _, most = _ADVICE.get(concept.kind, _OTHERS)
    present = [r for r in records if not r.aside]
    edit = sum(r.facts.get("triage") == "edit" for r in present)
    return {
        "kind": concept.kind,
        "pictures": len(present),
        "fine": len(present) - edit,
        "edit": edit,
        "aside": len(records) - len(present),
        "floor": floor,
        "least": least,
        "most": most,
        "advice": [line for _, line in _advice(present, concept)],
    }


def _plain(record: Record) -> dict[str, Any]:
    measures = {k: v for k, v in record.facts.get("measures", {}).items() if k != "profile"}
    ratio = {"aspect": round(measures["width"] / measures["height"], 4)} if measures else {}
    return {
        "key": record.key,
        "concept": record.concept,
        "triage": "aside" if record.aside else record.facts.get("triage", ""),
        "faults": dict(record.facts.get("faults", {})),
        "aside": record.aside,
        **measures,
        **ratio,
        "profile": _profile(record),
        "consent": record.facts.get("consent", ""),
        "unchecked": record.facts.get("unchecked", ""),
    }


def _profile(record: Record) -> str:
    """The colour profile the source came with: as its conversion noted it, else as the file at hand has it."""
    return str(record.facts.get("profile") or record.facts.get("measures", {}).get("profile", ""))


def _size(picture: Mapping[str, Any]) -> str:
    return f"{picture['width']}×{picture['height']}" if "width" in picture else ""
