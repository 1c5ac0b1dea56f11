"""A line chart as SVG: a few series over one axis of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curate.report.elements import Markup, el, joined

Point = tuple[int, float]
WIDTH, HEIGHT = 600, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 20


def chart(series: Mapping[str, Sequence[Point]], what: str) -> Markup:
    """The series by name as lines, with dots where a series has few points, and a legend; `what` is read out for it.

    Points are (step, value); series without any are left out, and with fewer than two points in all nothing is drawn.
    """
    found = {name: points for name, points in series.items() if points}
    every = [point for points in found.values() for point in points]
    if len(every) < 2:
        return Markup("")
    scale = _Scale(every)
    drawn = [_line(points, scale, f"s{number}") for number, points in enumerate(found.values())]
    picture = el(
        "svg", *scale.marks(), *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", class_="curve", role="img", aria_label=what
    )
    names = [el("span", el("i", class_=f"s{number}"), name) for number, name in enumerate(found)]
    return joined(picture, el("p", *names, class_="legend"))


class _Scale:
    """Where a point stands in the picture."""

    def __init__(self, points: Sequence[Point]) -> None:
        steps, values = [step for step, _ in points], [value for _, value in points]
        self.first, self.last, self.low, self.high = min(steps), max(steps), min(values), max(values)

    def of(self, step: float, value: float) -> tuple[float, float]:
        """Its place in the view box."""
        across = (step - self.first) / ((self.last - self.first) or 1)
        up = (value - self.low) / ((self.high - self.low) or 1)
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * across, HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * up

    def marks(self) -> list[Markup]:
        """Lines and figures at the ends and the middle of both axes."""
        found: list[Markup] = []
        for value in sorted({self.low, (self.low + self.high) / 2, self.high}):
            _, y = self.of(self.first, value)
            found.append(el("line", x1=f"{_LEFT}", x2=f"{WIDTH - _RIGHT}", y1=f"{y:.1f}", y2=f"{y:.1f}"))
            found.append(el("text", f"{value:.4f}", x=f"{_LEFT - 6}", y=f"{y + 4:.1f}", text_anchor="end"))
        for step, anchor in {self.first: "start", self.last: "end"}.items():
            x, _ = self.of(step, self.low)
            found.append(el("text", f"step {step:,}", x=f"{x:.1f}", y=f"{HEIGHT - 4}", text_anchor=anchor))
        return found


def _line(points: Sequence[Point], scale: _Scale, name: str) -> Markup:
    places = [scale.of(*point) for point in points]
    line = el("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places))
    few = places if len(places) <= 60 else []
    return el("g", line, *(el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="2.5") for x, y in few), class_=name)
