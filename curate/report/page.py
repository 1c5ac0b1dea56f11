"""Page: what the HTML report is made of, and what its sections share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate import captions
from curate.core.record import Manifest, Record
from curate.core.stage import Concept
from curate.report.badges import badges
from curate.report.elements import Markup, el, joined
from curate.report.thumbs import thumbnail
from curate.report.training_run import TrainingRun

if TYPE_CHECKING:
    from curate.evaluate.result import Evaluation
    from curate.sampling.grid_file import Grid

# nothing on the page may load or run anything, whatever slipped in
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Page:
    """What a report is made of.

    manifest    the final records
    figures     the run's summary, as `Report.finish` returns it
    find        where a record's picture lies, None where it does not
    ledger      the ledger folder, where comparisons lie that denoise drew; None shows none
    concepts    what the user said about each concept
    resolution  the training resolution, and `step` that of its buckets, in pixels
    training    the latest training run of the folder, None where there was none
    grid        the pictures that were drawn with it, and their folder
    evaluation  the scores of its LoRA files, their folder, and the folder of the training pictures
    date        when the run or command ended, in local time, "" where nobody knows
    thumbnails  how many pictures are shown at most, shared among the concepts; the others are listed by name
    """

    manifest: Manifest
    figures: Mapping[str, Any]
    find: Callable[[Record], Path | None]
    concepts: Mapping[str, Concept] = field(default_factory=dict[str, Concept])
    resolution: int = 512
    step: int = 64
    thumbnails: int = 240
    title: str = "Dataset report"
    ledger: Path | None = None
    training: TrainingRun | None = None
    grid: tuple[Grid, Path] | None = None
    evaluation: tuple[Evaluation, Path, Path] | None = None
    date: str = ""


def document(title: str, sections: Sequence[tuple[str, Markup]], style: str) -> str:
    """A whole page of sections by heading, those without content left out, as UTF-8 text."""
    shown = [(name, name.lower().replace(" ", "-"), body) for name, body in sections if body]
    links = [el("a", name, href=f"#{anchor}") for name, anchor, _ in shown]
    bodies = [el("section", el("h2", name), body, id=anchor) for name, anchor, body in shown]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", Markup(style)),
    )
    body = el("body", el("header", el("h1", title), el("nav", *links)), el("main", *bodies))
    return "<!doctype html>\n" + el("html", head, body, lang="en") + "\n"


def caption_text(record: Record) -> str:
    """The caption as it is trained."""
    return record.edited.strip() if record.edited is not None else captions.render(record)


def badge_row(page: Page, record: Record, duplicates: int = 0) -> Markup:
    """The record's badges; a reason is shown where the pointer rests."""
    by_tags = record.key in page.figures.get("edited_with_tags", ())
    shown = [
        el("em", badge.word, class_="warn" if badge.warns else "", title=badge.reason or badge.word)
        for badge in badges(record, duplicates, by_tags=by_tags)
    ]
    return el("div", *shown, class_="badges") if shown else joined()


def img(path: Path | None, name: str, side: int) -> Markup:
    """The picture at most `side` pixels long; an empty frame where it cannot be read."""
    source = thumbnail(path, side)
    return el("img", src=source, alt=name, title=name) if source else el("div", "cannot be shown", class_="blank")


def by_concept(records: Iterable[Record]) -> list[tuple[str, list[Record]]]:
    """The records of each concept, in order of name."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.concept, []).append(record)
    return sorted(groups.items())
