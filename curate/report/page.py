"""Page: what the HTML report is made of, and what its sections share."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.core.packed import Packed
from curate.core.record import PACKING, Manifest, Record
from curate.core.stage import Concept
from curate.report.badges import Badge, badges
from curate.report.concepts import by_concept
from curate.report.elements import Markup, el, joined
from curate.report.thumbs import THUMBNAIL, InsideThumbnails, Thumbnails, thumbnail
from curate.report.training_run import TrainingRun

if TYPE_CHECKING:
    from curate.evaluate.result import Evaluation
    from curate.sampling.grid_file import Grid
    from curate.train.data.run_plan import Fitting

# nothing on the page may load or run anything but its own program, whatever slipped in
_POLICY = "default-src 'none'; img-src {pictures}; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Page:
    """What a report is made of.

    manifest    the final records
    figures     the run's summary, as `Report.finish` returns it
    find        where a record's picture lies, None where it does not
    ledger      the ledger folder, where comparisons lie that denoise drew; None shows none
    concepts    what the user said about each concept
    fitting     the buckets that pictures are trained in
    base        the base of a training that was planned and not begun, "" where nobody knows it
    trainings   the training runs of the folder, the latest last
    grid        the pictures that were drawn with it, and their folder
    evaluation  the scores of its LoRA files, their folder, and the folder of the training pictures
    date        when the run or command ended, in local time, "" where nobody knows
    checks      what `curate check` found, as its --json, with the `names` of the checks; None where nobody checked
    files       the paths of pictures inside the folder, by key
    review      the folder as a shell takes it, for the hint on `curate review`
    thumbnails  where small pictures come from: they are inside the page, or files beside it
    before      where the picture lies that a record was made of, None where it is not known
    """

    manifest: Manifest
    figures: Mapping[str, Any]
    find: Callable[[Record], Path | None]
    concepts: Mapping[str, Concept] = field(default_factory=dict[str, Concept])
    fitting: Fitting = field(default_factory=lambda: fitting_of({}, 512))
    base: str = ""
    checks: Mapping[str, Any] | None = None
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    review: str = ""
    thumbnails: Thumbnails = field(default_factory=InsideThumbnails)
    before: Callable[[Record], Path | None] = lambda _: None
    title: str = "Dataset report"
    ledger: Path | None = None
    trainings: Sequence[TrainingRun] = ()
    grid: tuple[Grid, Path] | None = None
    evaluation: tuple[Evaluation, Path, Path] | None = None
    date: str = ""

    @property
    def training(self) -> TrainingRun | None:
        """The latest training run."""
        return self.trainings[-1] if self.trainings else None

    @property
    def judges_numbers(self) -> bool:
        """Whether the notes judge already how many pictures each concept has, as those of `inspect` do."""
        return any(note["stage"] == "inspect" for note in self.figures["notes"])

    def picture(self, record: Record, side: int = THUMBNAIL) -> Markup:
        """The record's picture, at most `side` pixels long; an empty frame where it cannot be read."""
        return shown(self.thumbnails.address(self.find(record), record.image.digest, side), record.key)


MOST_CARDS = 5000
"""The most pictures that a page shows as cards: 4 MB of HTML. Ten times as many take a browser minutes to open."""


def with_cards(manifest: Manifest, most: int = MOST_CARDS) -> list[Record]:
    """The present records by concept; `most` of very many, spread evenly."""
    groups = by_concept(manifest.present)
    records = groups[0][1] if len(groups) == 1 else Packed((r for _, rows in groups for r in rows), PACKING)
    if len(records) <= most:
        return list(records)
    return [records[n * len(records) // most] for n in range(most)]


def fitting_of(options: Mapping[str, Any], native: int) -> Fitting:
    """The buckets of a training with these options on a base of that resolution."""
    from curate.train.data.run_plan import Fitting
    from curate.train.options import TrainOptions

    names = ("resolution", "bucket_step", "bucket_min", "bucket_max", "upscale")
    return Fitting(TrainOptions.build({name: options[name] for name in names if name in options}), native)


def document(
    title: str, sections: Sequence[tuple[str, Markup]], style: str, program: str = "", *, loads_pictures: bool = False
) -> str:
    """A whole page of sections by heading, those without content left out, as UTF-8 text.

    `program` is the only script that may run on it. With `loads_pictures` it shows picture files beside it.
    """
    contents = [(name, name.lower().replace(" ", "-"), body) for name, body in sections if body]
    links = [el("a", name, href=f"#{anchor}") for name, anchor, _ in contents]
    bodies = [el("section", el("h2", name), body, id=anchor) for name, anchor, body in contents]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy(program, loads_pictures)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", Markup(style)),
    )
    script = el("script", Markup(program)) if program else ""
    body = el("body", el("header", el("h1", title), el("nav", *links)), el("main", *bodies), script)
    return "<!doctype html>\n" + el("html", head, body, lang="en") + "\n"


def _policy(program: str, loads_pictures: bool) -> str:
    policy = _POLICY.format(pictures="data: 'self' file:" if loads_pictures else "data:")
    if not program:
        return policy
    digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode("ascii")
    return f"{policy}; script-src 'sha256-{digest}'"


def badges_of(page: Page, record: Record, duplicates: int = 0) -> list[Badge]:
    """The record's badges; `duplicates` of it were set aside."""
    by_tags = record.key in page.figures.get("edited_with_tags", ())
    return list(badges(record, duplicates, by_tags=by_tags))


def badge_row(marks: Sequence[Badge]) -> Markup:
    """Badges; a reason is shown where the pointer rests."""
    row = [el("em", one.word, class_="warn" if one.warns else "", title=one.reason or one.word) for one in marks]
    return el("div", *row, class_="badges") if row else joined()


def img(path: Path | None, name: str, side: int) -> Markup:
    """The picture at most `side` pixels long, inside the page; an empty frame where it cannot be read."""
    return shown(thumbnail(path, side), name)


def shown(address: str, name: str) -> Markup:
    """A picture by its address; an empty frame without one."""
    if not address:
        return el("div", "cannot be shown", class_="blank")
    lazy = {} if address.startswith("data:") else {"loading": "lazy"}
    return el("img", src=address, alt=name, title=name, **lazy)
