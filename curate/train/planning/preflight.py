"""Preflight: what a person should know before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from curate.core.counting import counted
from curate.train.data import buckets, captions
from curate.train.data.dataset import Picture
from curate.train.options import resolve
from curate.train.planning import advice, trigger_words

if TYPE_CHECKING:
    from curate.train.data.job import Job

MOST_CUT, MOST_ENLARGED = 1 / 3, 4
"""Share of a picture that a bucket may cut off, and how many times it may be enlarged, without a word."""
NAMED = 10


def fit_warnings(pictures: Sequence[Picture], fits: Sequence[buckets.Fit]) -> Iterator[str]:
    """Names pictures of which a bucket cuts off much, and those that are enlarged much."""
    pairs = list(zip(pictures, fits, strict=True))
    cut = list(dict.fromkeys(p for p, f in pairs if cut_off(f) > MOST_CUT))
    small = list(dict.fromkeys(p for p, f in pairs if f.scaled[0] > MOST_ENLARGED * p.width))
    if cut:
        remedy = "crop them yourself, or allow longer buckets with bucket_max"
        yield f"{_names(cut, 'is', 'are')} cropped by more than a third to fit the bucket: {remedy}"
    if small:
        remedy = "use larger files, or leave them out"
        yield f"{_names(small, 'is', 'are')} enlarged more than {MOST_ENLARGED} times and will be soft: {remedy}"


def cut_off(fit: buckets.Fit) -> float:
    """The share of a picture's area outside its bucket."""
    return 1 - fit.bucket[0] * fit.bucket[1] / (fit.scaled[0] * fit.scaled[1])


def _names(pictures: Sequence[Picture], singular: str, plural: str) -> str:
    """How many pictures, which, and the verb that follows."""
    names = ", ".join(f"{p.path.parent.name}/{p.path.name}" for p in pictures[:NAMED])
    more = " …" * (len(pictures) > NAMED)
    return f"{counted(len(pictures), 'picture')} ({names}{more}) {singular if len(pictures) == 1 else plural}"


def preflight(job: Job, triggers: Mapping[Path, tuple[str, ...]] | None = None) -> list[tuple[str, str]]:
    """What the user should know before the start: (level, line). `triggers` as in `Context`."""
    pictures = counted(len(job.pictures), "picture")
    options, order = job.options, job.order
    by_bucket: dict[buckets.Size, int] = {}
    for entry in job.entries:
        by_bucket[entry.fit.bucket] = by_bucket.get(entry.fit.bucket, 0) + 1
    shapes = ", ".join(f"{w}x{h}: {n}" for (w, h), n in sorted(by_bucket.items()))
    lines = [
        ("info", f"{pictures}, {order.showings_per_epoch} shown per epoch; buckets {shapes}"),
        ("info", f"{counted(job.steps, 'step')} (one epoch is {counted(order.steps_per_epoch, 'step')})"),
    ]
    stop = resolve.text_stop(options, job.steps)
    if stop is not None and stop >= job.steps:
        lines.append(("warning", f"stop_text_after has no effect: the run has {counted(job.steps, 'step')}"))
    base = advice.Setting(job.backbone.family.name, job.backbone.resolution, job.backbone.ztsnr)
    lines += advice.lines(options, base, order)
    lines += [
        ("warning", line) for line in fit_warnings([e.picture for e in job.entries], [e.fit for e in job.entries])
    ]
    lacking = trigger_words.lacking(job.pictures, triggers, lambda picture: captions.every(picture, options))
    lines += [("warning", line) for line in lacking]
    limit, length = job.backbone.caption_limit(), job.backbone.caption_length
    long = [
        picture.path.name
        for picture in job.pictures
        if any(length(one) > limit for one in captions.longest(picture, options))
    ]
    if long:
        lines.append(
            (
                "warning",
                f"{counted(len(long), 'caption is', 'captions are')} longer than {limit} tokens "
                f"and cut: {', '.join(long[:5])}",
            )
        )
    return lines
