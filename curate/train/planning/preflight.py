"""Preflight: what a person should know before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from curate.core.counting import counted
from curate.train.data import buckets
from curate.train.data.dataset import Picture
from curate.train.data.job import Job
from curate.train.options import resolve
from curate.train.planning import advice, trigger_words

MOST_CUT, MOST_ENLARGED = 1 / 3, 4
"""Share of a picture that a bucket may cut off, and how many times it may be enlarged, without a word."""
NAMED = 10


def fit_warnings(pictures: Sequence[Picture], fits: Sequence[buckets.Fit]) -> Iterator[str]:
    """Names pictures of which a bucket cuts off much, and those that are enlarged much."""
    cut = [p for p, f in zip(pictures, fits, strict=True) if cut_off(f) > MOST_CUT]
    small = [p for p, f in zip(pictures, fits, strict=True) if f.scaled[0] > MOST_ENLARGED * p.width]
    if cut:
        remedy = "crop them, or allow longer buckets with bucket_max"
        yield f"buckets cut off more than a third of {_names(cut)}: {remedy}"
    if small:
        remedy = "give larger files, or leave them out"
        yield f"enlarged more than {MOST_ENLARGED} times, and soft: {_names(small)}: {remedy}"


def cut_off(fit: buckets.Fit) -> float:
    """The share of a picture's area outside its bucket."""
    return 1 - fit.bucket[0] * fit.bucket[1] / (fit.scaled[0] * fit.scaled[1])


def _names(pictures: Sequence[Picture]) -> str:
    names = ", ".join(f"{p.path.parent.name}/{p.path.name}" for p in pictures[:NAMED])
    return (
        f"{len(pictures)} {'picture' if len(pictures) == 1 else 'pictures'} ({names}{' …' * (len(pictures) > NAMED)})"
    )


def preflight(job: Job) -> list[tuple[str, str]]:
    """What the user should know before the start: (level, line)."""
    pictures = counted(len(job.entries), "picture")
    options, order, text = job.options, job.order, job.backbone.texts[0]
    by_bucket: dict[buckets.Size, int] = {}
    for entry in job.entries:
        by_bucket[entry.fit.bucket] = by_bucket.get(entry.fit.bucket, 0) + 1
    shapes = ", ".join(f"{w}x{h}: {n}" for (w, h), n in sorted(by_bucket.items()))
    lines = [
        ("info", f"{pictures}, {order.showings_per_epoch} shown per epoch; buckets {shapes}"),
        ("info", f"{counted(job.steps, 'step')}: {order.steps_per_epoch} per epoch, {counted(job.epochs, 'epoch')}"),
    ]
    stop = resolve.text_stop(options, job.steps)
    if stop is not None and stop >= job.steps:
        lines.append(("warning", f"stop_text_after has no effect: the run has {counted(job.steps, 'step')}"))
    base = advice.Setting(job.backbone.family.name, job.backbone.resolution, job.backbone.ztsnr)
    lines += advice.lines(options, base, order)
    lines += [
        ("warning", line) for line in fit_warnings([e.picture for e in job.entries], [e.fit for e in job.entries])
    ]
    lines += [("warning", line) for line in trigger_words.lacking(e.picture for e in job.entries)]
    long = [e.picture.path.name for e in job.entries if len(text.words(e.picture.caption)) > options.max_tokens]
    if long:
        lines.append(
            (
                "warning",
                f"{counted(len(long), 'caption is', 'captions are')} longer than {options.max_tokens} tokens "
                f"and cut: {', '.join(long[:5])}",
            )
        )
    return lines
