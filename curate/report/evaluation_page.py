"""An evaluation as a page of its own, and as a section of the health report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from curate.core.counting import counted
from curate.evaluate.plots import plots
from curate.evaluate.prompts import TITLES
from curate.evaluate.result import METRICS, Evaluation, Example, Score
from curate.evaluate.scores import CRITERIA, mean
from curate.names import folder_name
from curate.report.elements import Markup, bar, el, joined, table
from curate.report.page import document, img
from curate.report.style import STYLE

_THUMB = 192


def render(result: Evaluation, folder: Path, training: Path) -> str:
    """The page as UTF-8 text; `folder` is the evaluation's, `training` that of the training pictures."""
    sections = [
        ("Recommended", _recommended(result)),
        ("Ranks", _ranks(result)),
        ("Trade-offs", _plots(result)),
        ("Repetitions", _repetitions(result, folder, training)),
        ("Pictures", joined(*_pictures(result, folder))),
        ("Scores", joined(*(_scores(result, concept) for concept in result.training))),
        ("How it was measured", _method(result)),
    ]
    title = f"Evaluation: {', '.join(result.columns[1:3])}" + (" …" if len(result.columns) > 3 else "")
    return document(title, sections, STYLE)


def section(result: Evaluation, folder: Path, training: Path) -> Markup:
    """The evaluation in the report of a run, with the pictures of the recommended LoRA."""
    shown = [one for one in result.examples if one.column == result.recommended]
    return joined(
        _recommended(result),
        _ranks(result),
        _plots(result),
        _repetitions(result, folder, training),
        el("h3", f"{result.recommended}: pictures"),
        _figures(shown, folder),
        el("p", f"All scores and pictures: {folder}", class_="hint"),
    )


def _recommended(result: Evaluation) -> Markup:
    warnings = [
        el("li", el("em", "repeats", class_="warn"), f" {name}: {share:.0%} of its pictures of a concept repeat a "
           "training picture.")
        for name, share in result.repeats.items()
    ]  # fmt: skip
    return joined(
        el("div", el("p", el("b", result.recommended)), el("p", result.reason), class_="best"),
        el("ul", *warnings, class_="notes") if warnings else "",
        el("p", result.reach, class_="hint"),
    )


def ordered(result: Evaluation) -> list[str]:
    """The LoRAs, the recommended one first, then by mean rank."""
    names = sorted(result.ranks, key=lambda name: -result.ranks[name].get("mean", 0))
    return [result.recommended, *(name for name in names if name != result.recommended)]


def _ranks(result: Evaluation) -> Markup:
    if len(result.ranks) < 2:
        return Markup("")
    criteria = [*(c for c in CRITERIA if all(c in own for own in result.ranks.values())), "mean"]
    rows = [
        [name, *(bar(result.ranks[name][criterion], f"{result.ranks[name][criterion]:.2f}") for criterion in criteria)]
        for name in ordered(result)
    ]
    hint = "1 is the best of these LoRAs in every concept and kind of prompts, 0 the worst."
    return joined(table(["LoRA", *criteria], rows), el("p", hint, class_="hint"))


def _plots(result: Evaluation) -> Markup:
    drawn = [el("figure", el("figcaption", el("b", plot.title)), Markup(plot.svg)) for plot in plots(result)]
    hint = "The line follows the order of training. Bars are standard errors. The hollow point is the base."
    return joined(el("div", *drawn, class_="plots"), el("p", hint, class_="hint")) if drawn else Markup("")


def _repetitions(result: Evaluation, folder: Path, training: Path) -> Markup:
    """Drawn pictures beside the training pictures that they repeat."""
    pairs = [
        el(
            "div",
            _figure(folder / one.picture, one.column, f"cosine {one.cosine:.3f}"),
            _figure(training / one.training, one.training, "training picture"),
        )
        for one in result.repetitions
    ]
    return el("div", *pairs, class_="pairs") if pairs else Markup("")


def _figure(path: Path, name: str, note: str) -> Markup:
    return el("figure", img(path, name, _THUMB), el("figcaption", el("b", name), el("small", note)))


def _scores(result: Evaluation, concept: str) -> Markup:
    """A table of a concept: for each kind of prompts the LoRAs below each other, the base last."""
    names = [*ordered(result), result.columns[0]]
    by_name = {(row.column, row.kind): row for row in result.rows if row.concept == concept}
    metrics = [m for m in METRICS if any(m in row.scores for row in by_name.values())]
    rows = [
        [title, name, *(_score(by_name[name, kind].scores.get(metric)) for metric in metrics)]
        for kind, title in TITLES.items()
        for name in names
        if (name, kind) in by_name
    ]
    threshold = f"a cosine of {result.thresholds[concept]:.3f} or more with one of them is a repetition"
    return joined(
        el("h3", folder_name(concept).name),
        el("p", f"{counted(result.training[concept], 'training picture')}; {threshold}."),
        el("div", table(["prompts", "LoRA", *metrics], rows), class_="scores"),
    )


def _score(score: Score | None) -> Markup:
    if score is None:
        return Markup("")
    return joined(written(score[0]), el("small", f" ±{score[1]:.1g}"))


def written(value: float) -> str:
    """A score with three digits that count."""
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"


def _pictures(result: Evaluation, folder: Path) -> Iterator[Markup]:
    """The first pictures of every LoRA by kind of prompts, the recommended one first, the base last."""
    for name in [*ordered(result), result.columns[0]]:
        own = [one for one in result.examples if one.column == name]
        yield joined(el("h3", name), _figures(own, folder))


def _figures(examples: list[Example], folder: Path) -> Markup:
    titles = {str(kind): title for kind, title in TITLES.items()}
    figures = [
        el(
            "figure",
            img(folder / one.picture, one.prompt, _THUMB),
            el("figcaption", el("b", titles[one.kind]), el("p", folder_name(one.concept).name), el("p", one.prompt)),
        )
        for one in examples
    ]
    return el("div", *figures, class_="samples")


def _method(result: Evaluation) -> Markup:
    rows = [[name, title, "more" if higher else "less"] for name, (title, higher) in METRICS.items()]
    models = [[role, name] for role, name in result.models.items()]
    loras = [[name, path] for name, path in zip(result.columns[1:], result.files, strict=True)]
    loras += [["all pictures with", path] for path in result.companions]
    return joined(
        table(["measure", "what it is", "better"], rows),
        el("p", f"{counted(result.count, 'picture')} of each concept and kind; standard errors over the seeds."),
        table(["", "model or file"], [["base", result.base], *loras, *models]),
    )


def summary_rows(result: Evaluation) -> list[list[str]]:
    """The ranks as a table for the terminal."""
    criteria = [*CRITERIA, "mean"]
    rows = [[name, *(f"{result.ranks[name].get(c, float('nan')):.2f}" for c in criteria)] for name in ordered(result)]
    return [["LoRA", *criteria], *rows]


def score_rows(result: Evaluation) -> list[list[str]]:
    """The scores as a table for the terminal: means over concepts and kinds of prompts."""
    names = [*ordered(result), result.columns[0]]
    measured = [m for m in METRICS if any(m in row.scores for row in result.rows)]
    rows = [[name, *(_cell(mean(result, name, metric)) for metric in measured)] for name in names]
    return [["mean score", *measured], *rows]


def _cell(score: Score | None) -> str:
    return f"{written(score[0])} ±{score[1]:.1g}" if score else ""
