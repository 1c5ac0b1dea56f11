"""Health of a dataset: what its records say about balance, tags, sizes, and what should be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from curate import captions
from curate.core.counting import counted
from curate.core.kinds import Kind
from curate.core.record import Manifest, Record
from curate.core.stage import Concept
from curate.report.text import listed

if TYPE_CHECKING:
    from curate.train.data.buckets import Fit
    from curate.train.data.run_plan import Fitting

_COMMON = 0.9  # of a concept's pictures: such a tag belongs to the trigger
_MANY_TAGS, _FEW_TAGS = 20, 5
_UNSAID: Mapping[str, Concept] = {}
_CUT = 0.15  # of a picture lost to its bucket
_MANY, _FEW, _ENLARGED, _CROPPED = "many tags", "few tags", "enlarged in training", "cropped in training"


@dataclass(frozen=True, slots=True)
class Share:
    """One concept: pictures that came, pictures that are left, their showings per epoch, `part` of all showings.

    `part_before` is the part of all pictures that are left: what it would be if each were shown once. `weight` is that
    by which repeats were chosen.
    """

    concept: str
    came: int
    pictures: int
    repeats: tuple[int, ...]
    showings: int
    part: float
    part_before: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """A size that pictures are trained at: how many, shown how often, how many enlarged to it.

    `scaled` is the mean size to which its pictures are scaled before what is beyond the bucket is cropped. `cropped`
    is the share of a picture's area that is lost, 0 to 1: the mean, and the most of all.
    """

    size: tuple[int, int]
    pictures: int
    showings: int
    enlarged: int
    scaled: tuple[float, float]
    cropped: float
    cropped_most: float


def shares(manifest: Manifest, concepts: Mapping[str, Concept] = _UNSAID) -> list[Share]:
    """The concepts in order of name."""
    left: dict[str, list[Record]] = {record.concept: [] for record in manifest}
    for record in manifest.present:
        left[record.concept].append(record)
    came = Counter(record.concept for record in manifest)
    whole, total = sum(r.repeats for r in manifest.present) or 1, len(manifest.present) or 1
    return [
        Share(
            name, came[name], len(rows), tuple(sorted({r.repeats for r in rows})), shown, shown / whole,
            len(rows) / total, _weight(name, rows, concepts),
        )
        for name, rows in sorted(left.items())
        for shown in [sum(r.repeats for r in rows)]
    ]  # fmt: skip


def _weight(name: str, rows: Sequence[Record], concepts: Mapping[str, Concept]) -> float:
    """The weight by which the pictures were balanced; where nobody balanced them, what the user said."""
    noted = next((record.facts["weight"] for record in rows if "weight" in record.facts), None)
    return concepts.get(name, Concept()).weight if noted is None else float(noted)


def tags_of(record: Record) -> tuple[str, ...]:
    """The tags of the caption as it stands, edits by hand included, without the trigger words."""
    tags = record.tags
    if record.edited is not None:
        tags = captions.parse(record.edited, record.trigger, record.style)[0]
    return tuple(tag for tag in tags if tag not in record.trigger)


def frequencies(records: Sequence[Record]) -> list[tuple[str, int]]:
    """On how many pictures each tag stands, the most frequent first."""
    counts = Counter(tag for record in records for tag in set(tags_of(record)))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def bucketed(records: Sequence[Record], fitting: Fitting) -> list[Bucket]:
    """The buckets that the pictures fall into, the fullest first; pictures of unknown size are left out."""
    groups: dict[tuple[int, int], list[tuple[Record, Fit]]] = {}
    for record, how in _fits(records, fitting):
        groups.setdefault(how.bucket, []).append((record, how))
    return sorted((_bucket(size, inside) for size, inside in groups.items()), key=lambda b: (-b.showings, b.size))


def _bucket(size: tuple[int, int], inside: Sequence[tuple[Record, Fit]]) -> Bucket:
    lost = [cropped(how) for _, how in inside]
    scaled = (fmean(how.scaled[0] for _, how in inside), fmean(how.scaled[1] for _, how in inside))
    showings = sum(r.repeats for r, _ in inside)
    enlarged = sum(_enlarged(r, how) for r, how in inside)
    return Bucket(size, len(inside), showings, enlarged, scaled, fmean(lost), max(lost))


def _fits(records: Sequence[Record], fitting: Fitting) -> list[tuple[Record, Fit]]:
    return [(r, fitting.of_size(r.image.width, r.image.height)) for r in records if r.image.width]


def cropped(how: Fit) -> float:
    """The share of the scaled picture's area that its bucket loses, 0 to 1."""
    return 1 - how.bucket[0] * how.bucket[1] / (how.scaled[0] * how.scaled[1])


def _enlarged(record: Record, how: Fit) -> bool:
    return how.scaled[0] > record.image.width or how.scaled[1] > record.image.height


def enough(pictures: int, kind: Kind) -> str:
    """Whether so many pictures suit a concept of that kind, in words."""
    low, best, high = (50, 125, 200) if kind == "style" else (8, 30, 50)
    what = {"object": "an object", "clothing": "a piece of clothing"}.get(kind, f"a {kind}")
    if pictures < low:
        return f"few for {what}: use at least {low}, about {best} are best"
    if pictures > high:
        return f"more than {what} needs: the best {high} teach as much in less time"
    return f"enough for {what}: about {best} are best"


class Advice(NamedTuple):
    """What should be looked at: a sentence, the pictures it concerns, and their mark, "" where they have none."""

    message: str
    pictures: tuple[str, ...] = ()
    mark: str = ""


def advice(manifest: Manifest, concepts: Mapping[str, Concept], fitting: Fitting) -> list[Advice]:
    """What should be looked at; empty where nothing strikes."""
    groups: dict[str, list[Record]] = {}
    for record in manifest.present:
        groups.setdefault(record.concept, []).append(record)
    lines = [line for name, rows in sorted(groups.items()) for line in _of_concept(name, rows, concepts)]
    return [*map(Advice, lines), *_of_pictures(marked(manifest.present, fitting), fitting)]


def _of_concept(name: str, rows: Sequence[Record], concepts: Mapping[str, Concept]) -> Iterator[str]:
    judged = enough(len(rows), concepts.get(name, Concept()).kind)
    if not judged.startswith("enough"):
        yield f"{name}: {counted(len(rows), 'picture')}, {judged}"
    if len(rows) < 4:
        return
    common = [tag for tag, count in frequencies(rows) if count >= _COMMON * len(rows)]
    white = "white_background" in common
    common = [tag for tag in common if not tag.endswith("_background")]
    if common:
        yield (
            f"{name}: {listed(common, 6)} on (nearly) every picture: absorb what belongs to the concept, so that "
            "the trigger means it; keep the tags of what you want to change later"
        )
    if white:
        yield f"{name}: (nearly) every picture is on white; keep the tag white_background, and add pictures on others"


def marked(records: Sequence[Record], fitting: Fitting) -> dict[str, list[str]]:
    """The keys of pictures with too many or too few tags, and of those that training enlarges or crops much."""
    tagged = [(r, len(tags_of(r))) for r in records if r.style.sentence != "only"]
    fits = _fits(records, fitting)
    return {
        _MANY: [r.key for r, number in tagged if number > _MANY_TAGS],
        _FEW: [r.key for r, number in tagged if number < _FEW_TAGS and not r.sentence],
        _ENLARGED: [r.key for r, how in fits if _enlarged(r, how)],
        _CROPPED: [r.key for r, how in fits if cropped(how) > _CUT],
    }


def _of_pictures(groups: Mapping[str, Sequence[str]], fitting: Fitting) -> Iterator[Advice]:
    for mark, keys in groups.items():
        if keys:
            yield Advice(f"{_sentence(mark, len(keys), fitting)} ({listed(keys)})", tuple(keys), mark)


def _sentence(mark: str, number: int, fitting: Fitting) -> str:
    if mark == _MANY:
        return f"{counted(number, 'picture')} with more than {_MANY_TAGS} tags: cap them by score"
    if mark == _FEW:
        why = "everything untagged is learned as part of the concept"
        return f"{counted(number, 'picture')} with fewer than {_FEW_TAGS} tags: {why}"
    if mark == _ENLARGED:
        which = counted(number, "picture is smaller than its", "pictures are smaller than their")
        return f"{which} bucket at resolution {fitting.resolution} and will be enlarged"
    its = "its" if number == 1 else "their"
    cut = f"cropped by more than {_CUT:.0%} to fit {its} bucket: crop yourself"
    return f"{counted(number, 'picture is', 'pictures are')} {cut}"
