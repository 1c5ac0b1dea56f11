"""Training: bases, LoRA files, settings, losses and sample pictures of the runs, the latest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from curate.core.counting import counted
from curate.report import summary
from curate.report.chart import chart
from curate.report.elements import Markup, el, joined, table
from curate.report.loss_curves import CURVES
from curate.report.page import Page, img
from curate.report.training_run import Sample, TrainingRun

_AVERAGE, _VALIDATION = CURVES.values()


def training(page: Page) -> Markup:
    """What was trained from what, how the loss went, and the sample pictures."""
    figures = page.figures["training"]
    parts: list[Markup] = []
    if len(page.trainings) > 1:
        parts.append(_compared(page.trainings))
    if figures:
        parts.append(el("p", summary.trained(figures)))
    latest = page.training
    if latest:
        parts.append(_run(latest, _curves(latest, figures)))
    elif figures:
        parts.append(chart(_of_figures(figures), "loss by step"))
    saved = [Path(one["path"]) for one in page.figures["saved"] if one["kind"] == "sample"][-12:]
    if saved and not (latest and latest.samples):
        parts.append(el("div", *(img(path, str(path), 256) for path in saved), class_="samples"))
    for run in reversed(page.trainings[:-1]):
        parts.append(el("details", el("summary", _title(run)), _run(run, run.losses)))
    return joined(*parts)


def _compared(runs: Sequence[TrainingRun]) -> Markup:
    """The losses of several runs in one drawing."""
    line = f"The latest {counted(len(runs), 'training')}. Compare losses only between runs with equal settings."
    named = {_title(run): run.losses.get(_AVERAGE, ()) for run in reversed(runs)}
    return joined(el("p", line), chart(named, "losses of the runs by step"))


def _title(run: TrainingRun) -> str:
    name = run.loras[-1].stem if run.loras else run.base
    return f"{name}, {run.date}" + (f" ({run.id[:8]})" if run.id else "")


Curves = Mapping[str, Sequence[tuple[int, float]]]


def _curves(run: TrainingRun, figures: Mapping[str, Sequence[tuple[int, float]]] | None) -> Curves:
    """What the run wrote, else what this command saw of it."""
    return run.losses or (_of_figures(figures) if figures else {})


def _of_figures(figures: Mapping[str, Sequence[tuple[int, float]]]) -> Curves:
    return {_AVERAGE: figures["curve"], _VALIDATION: figures["validation"]}


def _run(run: TrainingRun, curves: Curves) -> Markup:
    """Losses and sample pictures, then base, files, date and settings."""
    rows = [
        ["base", run.base],
        *(["LoRA", str(path)] for path in run.loras),
        ["trained" if run.finished else "last worked on", run.date + ("" if run.finished else ", not finished")],
        *([name, value] for name, value in run.settings.items()),
    ]
    return joined(
        chart(curves, "loss by step"),
        *(_samples(list(pictures)) for _, pictures in groupby(run.samples, key=lambda s: s.number)),
        table(["setting", "value"], rows),
        el("p", "Options that are not listed have their default.", class_="hint"),
    )


def _samples(samples: list[Sample]) -> Markup:
    """The pictures of one prompt, earliest first."""
    pictures = [
        el("figure", img(one.path, one.path.name, 256), el("figcaption", f"step {one.step:,}")) for one in samples
    ]
    title = samples[-1].prompt or f"prompt {samples[-1].number + 1}"
    return joined(el("h3", title), el("div", *pictures, class_="samples"))


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
