"""The palette tagger's measures of a background: what lies along the edges of a picture."""

from __future__ import annotations

from taggers.palette.graph import CELLS, Graph


def background(g: Graph, rgb: tuple[str, str, str], high: str, low: str, rows: str, columns: str) -> dict[str, str]:
    """Measures one cell in from the edges: at both ends of every row and of every column that has content."""
    level = g.op("Mul", g.op("Add", high, low), 0.5)
    chroma = g.op("Sub", high, low)
    edges = _Edges(g, rows, columns)
    white = edges.least_share(g.number(g.op("Greater", low, 243.0)))
    black = edges.least_share(g.number(g.op("Less", high, 16.0)))
    flat = g.number(g.both(g.op("Less", chroma, 14.0), g.op("Greater", level, 70.0), g.op("Less", level, 225.0)))
    uneven = g.op("Max", *(edges.most_spread(channel) for channel in rgb))
    simple = g.above(uneven, 14.0, -0.4)
    return {
        "white_background": g.above(white, 0.8, 20.0),
        "black_background": g.above(black, 0.8, 20.0),
        "grey_background": g.op("Min", g.above(edges.least_share(flat), 0.8, 20.0), simple),
        "simple_background": simple,
    }


class _Edges:
    """The four edges of a picture, weighted by content.

    Where the outermost rows are blank and the outermost columns are not, or the other way round, those are taken for
    padding, and the other two edges decide alone.
    """

    def __init__(self, g: Graph, rows: str, columns: str) -> None:
        self._g = g
        self._along_rows = g.op("Expand", _without_border(g, rows), [1, CELLS, 4])
        self._along_columns = g.op("Expand", _without_border(g, columns), [1, 4, CELLS])
        rows_blank, columns_blank = _outermost_blank(g, rows, 1), _outermost_blank(g, columns, 2)
        self._only_sides = g.op("And", rows_blank, g.op("Not", columns_blank))
        self._only_ends = g.op("And", columns_blank, g.op("Not", rows_blank))
        self._blank = g.op("Less", g.sum(rows, [1, 2]), 0.5)

    def least_share(self, mask: str) -> str:
        """Share of a 0/1 mask along the edges, where it is least; of the whole picture where that is blank."""
        g = self._g
        sides = g.share(_both_ends(g, mask, 2), self._along_rows)
        ends = g.share(_both_ends(g, mask, 1), self._along_columns)
        least = self._decided(sides, ends, "Min")
        return g.op("Where", self._blank, g.mean(mask, [1, 2]), least)

    def most_spread(self, x: str) -> str:
        """Standard deviation along the edges, where it is most."""
        sides = _deviation(self._g, _both_ends(self._g, x, 2), self._along_rows)
        ends = _deviation(self._g, _both_ends(self._g, x, 1), self._along_columns)
        return self._decided(sides, ends, "Max")

    def _decided(self, sides: str, ends: str, worse: str) -> str:
        both = self._g.op(worse, sides, ends)
        return self._g.op("Where", self._only_sides, sides, self._g.op("Where", self._only_ends, ends, both))


def _both_ends(g: Graph, x: str, axis: int) -> str:
    first, last = g.op("Slice", x, [1], [3], [axis]), g.op("Slice", x, [CELLS - 3], [CELLS - 1], [axis])
    return g.op("Concat", first, last, axis=axis)


def _outermost_blank(g: Graph, weights: str, axis: int) -> str:
    """Whether the first and the last are without content, N×1×1."""
    first, last = g.op("Slice", weights, [0], [1], [axis]), g.op("Slice", weights, [CELLS - 1], [CELLS], [axis])
    return g.op("Less", g.op("Add", first, last), 0.5)


def _without_border(g: Graph, weights: str) -> str:
    """Without those next to padding, which are half white."""
    flat = g.op("Reshape", g.op("Neg", weights), [0, 1, CELLS])
    inner = g.op("Neg", g.op("MaxPool", flat, kernel_shape=[3], pads=[1, 1]))
    return g.op("Reshape", inner, g.op("Shape", weights))


def _deviation(g: Graph, part: str, weights: str) -> str:
    away = g.op("Sub", part, g.share(part, weights))
    return g.op("Sqrt", g.op("Max", g.share(g.op("Mul", away, away), weights), 0.0))
