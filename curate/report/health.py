"""Health of a dataset: what its records say about balance, tags, sizes, and what should be looked at."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from curate import captions
from curate.core.counting import counted
from curate.core.kinds import Kind
from curate.core.packed import Packed
from curate.core.record import Manifest, Record
from curate.core.stage import Concept
from curate.report.concepts import by_concept
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
    """The concepts in order of name; the weight is that by which they were balanced, else what the user said."""
    came = Counter(record.concept for record in manifest)
    left = Counter(record.concept for record in manifest.present)
    repeats: dict[str, Counter[int]] = {name: Counter() for name in came}
    weights: dict[str, float] = {}
    for record in manifest.present:
        repeats[record.concept][record.repeats] += 1
        if "weight" in record.facts:
            weights.setdefault(record.concept, float(record.facts["weight"]))
    shown = {name: sum(n * count for n, count in each.items()) for name, each in repeats.items()}
    whole, total = sum(shown.values()) or 1, left.total() or 1
    return [
        Share(
            name, came[name], left[name], tuple(sorted(repeats[name])), shown[name], shown[name] / whole,
            left[name] / total, weights.get(name, concepts.get(name, Concept()).weight),
        )
        for name in sorted(came)
    ]  # fmt: skip


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
    groups: dict[tuple[int, int], _Inside] = {}
    for record, how in _fits(records, fitting):
        inside = groups.setdefault(how.bucket, _Inside())
        inside.widths.append(how.scaled[0])
        inside.heights.append(how.scaled[1])
        inside.lost.append(cropped(how))
        inside.showings += record.repeats
        inside.enlarged += _enlarged(record, how)
    return sorted((one.bucket(size) for size, one in groups.items()), key=lambda b: (-b.showings, b.size))


@dataclass
class _Inside:
    """The pictures of a bucket."""

    widths: array[float] = field(default_factory=lambda: array("d"))
    heights: array[float] = field(default_factory=lambda: array("d"))
    lost: array[float] = field(default_factory=lambda: array("d"))
    showings: int = 0
    enlarged: int = 0

    def bucket(self, size: tuple[int, int]) -> Bucket:
        scaled = (fmean(self.widths), fmean(self.heights))
        return Bucket(size, len(self.lost), self.showings, self.enlarged, scaled, fmean(self.lost), max(self.lost))


def _fits(records: Sequence[Record], fitting: Fitting) -> Iterator[tuple[Record, Fit]]:
    return ((r, fitting.of_size(r.image.width, r.image.height)) for r in records if r.image.width)


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
    pictures: Sequence[str] = ()
    mark: str = ""


def advice(
    manifest: Manifest, concepts: Mapping[str, Concept], fitting: Fitting, *, numbers: bool = True
) -> list[Advice]:
    """What should be looked at; empty where nothing strikes. Without `numbers`, not how many pictures a concept has."""
    groups = by_concept(manifest.present)
    lines = [line for name, rows in groups for line in _number(name, rows, concepts)] if numbers else []
    lines += [line for name, rows in groups for line in _of_concept(name, rows)]
    return [*map(Advice, lines), *_of_pictures(marked(manifest.present, fitting), fitting)]


def _number(name: str, rows: Sequence[Record], concepts: Mapping[str, Concept]) -> Iterator[str]:
    judged = enough(len(rows), concepts.get(name, Concept()).kind)
    if not judged.startswith("enough"):
        yield f"{name}: {counted(len(rows), 'picture')}, {judged}"


def _of_concept(name: str, rows: Sequence[Record]) -> Iterator[str]:
    if len(rows) < 4:
        return
    common = [tag for tag, count in frequencies(rows) if count >= _COMMON * len(rows)]
    white = "white_background" in common
    common = [captions.spaced(tag) for tag in common if not tag.endswith("_background")]
    if common:
        yield (
            f"{name}: {listed(common, 6)} on (nearly) every picture: absorb what belongs to the concept, so that "
            "the trigger means it; keep the tags of what you want to change later"
        )
    if white:
        yield f"{name}: (nearly) every picture is on white; keep the tag `white background`, and add pictures on others"


def marked(records: Sequence[Record], fitting: Fitting) -> Mapping[str, Sequence[str]]:
    """The keys of pictures with too many or too few tags, and of those that training enlarges or crops much."""
    found: dict[str, Packed[str]] = {mark: Packed() for mark in (_MANY, _FEW, _ENLARGED, _CROPPED)}
    for record in records:
        if record.style.sentence != "only":
            number = len(tags_of(record))
            if number > _MANY_TAGS:
                found[_MANY].append(record.key)
            elif number < _FEW_TAGS and not record.sentence:
                found[_FEW].append(record.key)
    for record, how in _fits(records, fitting):
        if _enlarged(record, how):
            found[_ENLARGED].append(record.key)
        if cropped(how) > _CUT:
            found[_CROPPED].append(record.key)
    return found


def _of_pictures(groups: Mapping[str, Sequence[str]], fitting: Fitting) -> Iterator[Advice]:
    for mark, keys in groups.items():
        if keys:
            yield Advice(f"{_sentence(mark, len(keys), fitting)} ({listed(keys)})", keys, mark)


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
