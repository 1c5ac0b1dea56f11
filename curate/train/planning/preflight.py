"""Preflight: what a person should know before the first step."""

from __future__ import annotations

from curate.train.data import buckets
from curate.train.data.job import Job
from curate.train.options import resolve
from curate.train.planning import advice


def preflight(job: Job) -> list[tuple[str, str]]:
    """What the user should know before the start: (level, line)."""
    options, order, text = job.options, job.order, job.backbone.texts[0]
    by_bucket: dict[buckets.Size, int] = {}
    for entry in job.entries:
        by_bucket[entry.fit.bucket] = by_bucket.get(entry.fit.bucket, 0) + 1
    shapes = ", ".join(f"{w}x{h}: {n}" for (w, h), n in sorted(by_bucket.items()))
    lines = [
        ("info", f"{len(job.entries)} pictures, {order.showings_per_epoch} showings per epoch; buckets {shapes}"),
        ("info", f"{job.steps} steps: {order.steps_per_epoch} per epoch, {job.epochs} epochs"),
    ]
    stop = resolve.text_stop(options, job.steps)
    if stop is not None and stop >= job.steps:
        lines.append(("warning", f"stop_text_after has no effect: the run has {job.steps} steps"))
    base = advice.Setting(job.backbone.family, job.backbone.resolution, job.backbone.ztsnr)
    lines += advice.lines(options, base, order)
    long = [e.picture.path.name for e in job.entries if len(text.words(e.picture.caption)) > options.max_tokens]
    if long:
        lines.append(
            (
                "warning",
                f"{len(long)} captions are longer than {options.max_tokens} tokens and are cut: {', '.join(long[:5])}",
            )
        )
    return lines
