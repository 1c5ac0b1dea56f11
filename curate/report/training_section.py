"""The report's section on training: base, LoRA files, settings, losses and sample pictures."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from curate.report import summary
from curate.report.chart import chart
from curate.report.elements import Markup, el, joined, table
from curate.report.page import Page, img
from curate.report.training_run import Sample, TrainingRun


def training(page: Page) -> Markup:
    """What was trained from what, how the loss went, and the sample pictures."""
    figures = page.figures["training"]
    parts: list[Markup] = [_run(page.training)] if page.training else []
    if figures:
        lines = {"training loss, moving average": figures["curve"], "validation loss": figures["validation"]}
        parts += [el("p", summary.trained(figures)), chart(lines, "loss by step")]
    saved = [Path(one["path"]) for one in page.figures["saved"] if one["kind"] == "sample"][-12:]
    if page.training and page.training.samples:
        parts += [_samples(list(rows)) for _, rows in groupby(page.training.samples, key=lambda s: s.number)]
    elif saved:
        parts.append(el("div", *(img(path, str(path), 256) for path in saved), class_="samples"))
    return joined(*parts)


def samples(page: Page) -> Markup:
    """The grid of pictures that were drawn with the LoRA files, beside those of the base alone."""
    if page.grid is None:
        return Markup("")
    from curate.report.grid_page import section

    grid, folder = page.grid
    return joined(section(grid, folder), el("p", f"All of them, large: {folder / 'grid.html'}", class_="hint"))


def evaluation(page: Page) -> Markup:
    """The scores of the LoRA files, and which one to take."""
    if page.evaluation is None:
        return Markup("")
    from curate.report.evaluation_page import section

    return section(*page.evaluation)


def _run(run: TrainingRun) -> Markup:
    """Base, files, date and settings."""
    rows = [
        ["base", run.base],
        *(["LoRA", str(path)] for path in run.loras),
        ["trained" if run.finished else "last worked on", run.date + ("" if run.finished else ", not finished")],
        *([name, value] for name, value in run.settings.items()),
    ]
    return joined(
        table(["setting", "value"], rows), el("p", "Options that are not listed have their default.", class_="hint")
    )


def _samples(samples: list[Sample]) -> Markup:
    """The pictures of one prompt, earliest first."""
    pictures = [
        el("figure", img(one.path, one.path.name, 256), el("figcaption", f"step {one.step:,}")) for one in samples
    ]
    title = samples[-1].prompt or f"prompt {samples[-1].number + 1}"
    return joined(el("h3", title), el("div", *pictures, class_="samples"))
