"""Buckets: the shapes that pictures are trained in, drawn to scale, with what is cropped."""

from __future__ import annotations

from curate.core.counting import counted
from curate.report import health
from curate.report.elements import Markup, bar, el, joined, table
from curate.report.health import Bucket
from curate.report.page import Page

_SIDE = 120
_WIDEST = 1.8


def buckets(page: Page) -> Markup:
    """In a sentence, as shapes, and as a table."""
    present = page.manifest.present
    rows = health.bucketed(present, page.fitting)
    if not rows:
        return Markup("")
    largest = max(max(b.size) for b in rows)
    highest = max(_drawn(b, _SIDE / largest)[1] for b in rows)
    shapes = [_shape(b, _SIDE / largest, highest) for b in rows]
    unknown = sum(not r.image.width for r in present)
    note = el("p", f"{counted(unknown, 'picture')} of unknown size left out") if unknown else ""
    hint = "The filled shape is trained. The dashed edge is what is cropped from a typical picture of the bucket."
    return joined(
        *(el("p", line) for line in _sentences(page, rows)),
        el("div", *shapes, class_="shapes"),
        el("p", hint, class_="hint"),
        note,
        el("details", el("summary", "as a table"), _table(rows)),
    )


def _sentences(page: Page, rows: list[Bucket]) -> list[str]:
    fitting = page.fitting
    enlarged = sum(b.enlarged for b in rows)
    pictures = counted(sum(b.pictures for b in rows), "picture goes", "pictures go")
    into = f"{pictures} into {counted(len(rows), 'bucket')}, in steps of {fitting.step} pixels."
    lines = [f"At a resolution of {fitting.resolution}, {into}"]
    if not page.trainings:
        base = f"{page.base}, the base of the pipeline" if page.base else "SDXL"
        lines[0] += f" Nothing was trained yet: this is the resolution of {base}."
    if enlarged:
        lines.append(f"{counted(enlarged, 'picture is', 'pictures are')} smaller than the bucket and enlarged.")
    most = max(rows, key=lambda b: b.cropped_most)
    if most.cropped_most >= 0.01:
        width, height = most.size
        lines.append(f"Up to {most.cropped_most:.0%} of a picture is cropped, in the bucket {width} × {height}.")
    return lines


def _drawn(bucket: Bucket, scale: float) -> tuple[float, float]:
    """Width and height of the whole drawing: what an extreme shape loses would make all others too small to see."""
    width, height = (
        min(max(side * scale, own * scale), _WIDEST * own * scale)
        for side, own in zip(bucket.scaled, bucket.size, strict=True)
    )
    return width, height


def _shape(bucket: Bucket, scale: float, highest: float) -> Markup:
    width, height = (side * scale for side in bucket.size)
    whole = _drawn(bucket, scale)
    left, top = (whole[0] - width) / 2, (whole[1] - height) / 2
    drawing = el(
        "svg",
        _rect("cut", 0, 0, whole[0], whole[1]),
        _rect("kept", left, top, width, height),
        width=f"{whole[0] + 2:.0f}",
        height=f"{whole[1] + 2:.0f}",
        viewBox=f"-1 -1 {whole[0] + 2:.1f} {whole[1] + 2:.1f}",
        role="img",
        aria_label=f"bucket {bucket.size[0]} × {bucket.size[1]}",
    )
    cropped = f"{bucket.cropped:.0%} cropped" if bucket.cropped_most >= 0.005 else "nothing cropped"
    lines = [
        el("b", f"{bucket.size[0]} × {bucket.size[1]}"),
        el("span", counted(bucket.pictures, "picture")),
        el("small", cropped + (f", at most {bucket.cropped_most:.0%}" if bucket.cropped_most >= 0.005 else "")),
        *([el("small", f"{bucket.enlarged:,} enlarged", class_="warning")] if bucket.enlarged else []),
    ]
    return el("div", el("div", drawing, style=f"height:{highest + 4:.0f}px"), *lines)


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    place = {"x": x, "y": y, "width": width, "height": height}
    return el("rect", class_=kind, **{name: f"{value:.1f}" for name, value in place.items()})


def _table(rows: list[Bucket]) -> Markup:
    most = max(b.showings for b in rows)
    cells = [
        [
            f"{b.size[0]} × {b.size[1]}",
            *(f"{b.pictures:,}", f"{b.enlarged:,}", f"{b.cropped:.1%}", f"{b.cropped_most:.1%}"),
            bar(b.showings / most, f"{b.showings:,}"),
        ]
        for b in rows
    ]
    return table(["bucket", "pictures", "enlarged", "cropped", "at most", "shown per epoch"], cells)
