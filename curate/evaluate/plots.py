"""Trade-offs between fidelity and the other criteria as SVG, readable on light and on dark pages."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from curate.evaluate.result import METRICS, Evaluation, Score
from curate.evaluate.scores import mean

TRADE_OFFS: Mapping[str, str] = {
    "vendi": "Fidelity against diversity",
    "prompt": "Fidelity against controllability",
    "style": "Fidelity against preservation of the base",
}
"""What stands against the likeness to the training pictures."""
_INK = "#010203"
"""What the page's own color for text takes the place of: it is light on dark pages."""
_POINT, _BEST = "#3b82f6", "#e0821b"
"""Both have a contrast of 3 or more on white and on black."""

_LINE = 11
"""Points between two names."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A trade-off: its title and its drawing, an SVG element."""

    title: str
    svg: str


def plots(result: Evaluation) -> list[Plot]:
    """The trade-offs of an evaluation, each LoRA a point, in order of training; nothing for a single LoRA."""
    if len(result.columns) < 3:
        return []
    found: list[Plot] = []
    for metric, title in TRADE_OFFS.items():
        columns = result.columns if metric != "style" else result.columns[1:]
        pairs = {column: (mean(result, column, "cosine"), mean(result, column, metric)) for column in columns}
        points = {column: (x, y) for column, (x, y) in pairs.items() if x is not None and y is not None}
        found.append(Plot(title, _for_pages(_drawn(points, metric, result), title)))
    return found


def _drawn(points: Mapping[str, tuple[Score, Score]], metric: str, result: Evaluation) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {
        # text stays text, in the page's font; a fixed salt gives the same ids each time
        **{"svg.fonttype": "none", "svg.hashsalt": metric, "font.size": 10},
        **{f"{part}color": _INK for part in ("text.", "axes.label", "xtick.", "ytick.", "axes.edge")},
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(4.6, 3.6), layout="constrained")
        axes: Any = figure.add_subplot()
        loras = [points[name] for name in points if name in result.columns[1:]]
        axes.plot([x for (x, _), _ in loras], [y for _, (y, _) in loras], color=_POINT, alpha=0.5, linewidth=1)
        for name, ((x, x_error), (y, y_error)) in points.items():
            color, filled = _BEST if name == result.recommended else _POINT, name in result.columns[1:]
            mark = {"marker": "o", "markersize": 8, "markerfacecolor": color if filled else "none"}
            axes.errorbar(x, y, y_error, x_error, color=color, capsize=2, elinewidth=1, **mark)
        axes.set_xlabel(METRICS["cosine"][0])
        axes.set_ylabel(METRICS[metric][0] + ("" if METRICS[metric][1] else ", less is better"))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=_INK, alpha=0.12)
        axes.margins(0.18)
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_locator().set_params(nbins=5)
        _label(axes, {name: (x, y) for name, ((x, _), (y, _)) in points.items()})
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _label(axes: Any, points: Mapping[str, tuple[float, float]]) -> None:
    """Names beside their points, moved upwards where they would lie on each other."""
    axes.figure.draw_without_rendering()
    places = {name: axes.transData.transform(point) * 72 / axes.figure.dpi for name, point in points.items()}
    lowest = -np.inf
    for name, (_, y) in sorted(places.items(), key=lambda item: item[1][1]):
        lowest = max(lowest + _LINE, y + 4)
        axes.annotate(
            name,
            points[name],
            (7, lowest - y),
            textcoords="offset points",
            color=_INK,
            fontsize=9,
            parse_math=False,
        )


def _for_pages(text: str, title: str) -> str:
    """The element alone, in the page's colors and font; its own style sheet would hold for the whole page."""
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL).replace(_INK, "currentColor")
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    return svg.replace("<svg ", f'<svg role="img" class="plot" aria-label="{title}" ', 1)
