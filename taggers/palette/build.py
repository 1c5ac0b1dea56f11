"""Builds palette's graph and label file: `python -m taggers.palette.build [FOLDER]` (needs the package `onnx`).

The graph follows the WD contract (N×448×448×3 BGR 0..255 in, probabilities out). It measures on cells of 8×8
pixels; white bars, which padding to a square adds, are left out. Every tag is the logistic of one measurement
against one limit, so that 0.5 means "just at the limit".
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HUES = {  # degrees: from, up to
    "red": (345, 15),
    "orange": (15, 42),
    "yellow": (42, 70),
    "green": (70, 165),
    "aqua": (165, 195),
    "blue": (195, 258),
    "purple": (258, 295),
    "pink": (295, 345),
}
TAGS = (
    *("white_background", "black_background", "grey_background", "simple_background"),
    *("monochrome", "greyscale", "colorful", "muted_color", "dark", "high_contrast"),
    *(f"{hue}_theme" for hue in HUES),
    "brown_theme",
)
RATINGS = (("general", 6.0), ("sensitive", -6.0), ("questionable", -8.0), ("explicit", -8.0))
CELLS = 56


class _Graph:
    """Nodes appended one by one; every method returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        from onnx import helper

        names = [i if isinstance(i, str) else self.value(i) for i in inputs]
        result = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [result], **attributes))
        return result

    def value(self, value: Any) -> str:
        import numpy as np
        from onnx import numpy_helper

        array = np.asarray(value, dtype=np.int64 if isinstance(value, list) else np.float32)
        name = "c" + "_".join(str(v) for v in array.ravel().tolist())
        self.constants.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def mean(self, x: str, axes: list[int], keep: int = 1) -> str:
        return self.op("ReduceMean", x, axes, keepdims=keep)

    def sum(self, x: str, axes: list[int], keep: int = 1) -> str:
        return self.op("ReduceSum", x, axes, keepdims=keep)

    def both(self, *conditions: str) -> str:
        result = conditions[0]
        for other in conditions[1:]:
            result = self.op("And", result, other)
        return result

    def number(self, condition: str) -> str:
        return self.op("Cast", condition, to=1)

    def share(self, mask: str, weight: str) -> str:
        """Weighted mean of a 0/1 mask over the picture, N×1×1; 0 where nothing has weight."""
        some = self.op("Max", self.sum(weight, [1, 2]), 1e-6)
        return self.op("Div", self.sum(self.op("Mul", mask, weight), [1, 2]), some)

    def above(self, measure: str, limit: float, slope: float) -> str:
        """Logit of "the measurement lies above the limit"; a negative slope turns it round."""
        return self.op("Mul", self.op("Sub", measure, limit), slope)


def build() -> Any:
    """The model, as an `onnx.ModelProto`."""
    from onnx import TensorProto, helper

    g = _Graph()
    cells = g.op("Reshape", "input", [0, CELLS, 8, CELLS, 8, 3])
    cells = g.mean(cells, [2, 4], keep=0)
    blue, green, red = (g.op("Squeeze", s, [3]) for s in _split(g, cells))
    high = g.op("Max", red, green, blue)
    low = g.op("Min", red, green, blue)
    content, rows, columns = _content(g, low)
    measures = {
        **_background(g, (red, green, blue), high, low, rows, columns),
        **_colours(g, (red, green, blue), high, low, content),
    }
    logits = [g.op("Expand", bias, g.op("Shape", measures["dark"])) for _, bias in RATINGS]
    joined = g.op("Concat", *logits, *(measures[t] for t in TAGS), axis=1)
    g.nodes.append(helper.make_node("Sigmoid", [g.op("Squeeze", joined, [2])], ["output"]))
    graph = helper.make_graph(
        g.nodes,
        "palette",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 448, 448, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", len(RATINGS) + len(TAGS)])],
        initializer=list(g.constants.values()),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, producer_name="palette")


def _split(g: _Graph, cells: str) -> list[str]:
    return [g.op("Slice", cells, [c], [c + 1], [3]) for c in range(3)]


def _content(g: _Graph, low: str) -> tuple[str, str, str]:
    """Weights of cells, rows and columns that are not white from edge to edge (N×56×56, N×56×1, N×1×56)."""
    white = 253.0
    rows = g.number(g.op("Less", g.op("ReduceMin", low, [2], keepdims=1), white))
    columns = g.number(g.op("Less", g.op("ReduceMin", low, [1], keepdims=1), white))
    return g.op("Mul", rows, columns), rows, columns


def _background(g: _Graph, rgb: tuple[str, str, str], high: str, low: str, rows: str, columns: str) -> dict[str, str]:
    """Looks along the edges, one cell in: at both ends of every row and of every column that has content.

    Where the outermost rows are blank and the outermost columns are not, or the other way round, those are taken for
    padding, and the other two edges decide alone.
    """
    level = g.op("Mul", g.op("Add", high, low), 0.5)
    chroma = g.op("Sub", high, low)

    def edges(x: str, axis: int) -> str:
        first, last = g.op("Slice", x, [1], [3], [axis]), g.op("Slice", x, [CELLS - 3], [CELLS - 1], [axis])
        return g.op("Concat", first, last, axis=axis)

    def outermost(weights: str, axis: int) -> str:
        """Whether the first and the last are without content, N×1×1."""
        first, last = g.op("Slice", weights, [0], [1], [axis]), g.op("Slice", weights, [CELLS - 1], [CELLS], [axis])
        return g.op("Less", g.op("Add", first, last), 0.5)

    def core(weights: str) -> str:
        """Without those next to padding, which are half white."""
        flat = g.op("Reshape", g.op("Neg", weights), [0, 1, CELLS])
        inner = g.op("Neg", g.op("MaxPool", flat, kernel_shape=[3], pads=[1, 1]))
        return g.op("Reshape", inner, g.op("Shape", weights))

    along_rows = g.op("Expand", core(rows), [1, CELLS, 4])
    along_columns = g.op("Expand", core(columns), [1, 4, CELLS])
    rows_blank, columns_blank = outermost(rows, 1), outermost(columns, 2)
    only_sides = g.op("And", rows_blank, g.op("Not", columns_blank))
    only_ends = g.op("And", columns_blank, g.op("Not", rows_blank))
    blank = g.op("Less", g.sum(rows, [1, 2]), 0.5)

    def decided(sides: str, ends: str, worse: str) -> str:
        both = g.op(worse, sides, ends)
        return g.op("Where", only_sides, sides, g.op("Where", only_ends, ends, both))

    def least(mask: str) -> str:
        found = decided(g.share(edges(mask, 2), along_rows), g.share(edges(mask, 1), along_columns), "Min")
        return g.op("Where", blank, g.mean(mask, [1, 2]), found)

    def deviation(part: str, weights: str) -> str:
        away = g.op("Sub", part, g.share(part, weights))
        return g.op("Sqrt", g.op("Max", g.share(g.op("Mul", away, away), weights), 0.0))

    def spread(x: str) -> str:
        return decided(deviation(edges(x, 2), along_rows), deviation(edges(x, 1), along_columns), "Max")

    white = least(g.number(g.op("Greater", low, 243.0)))
    black = least(g.number(g.op("Less", high, 16.0)))
    flat = g.number(g.both(g.op("Less", chroma, 14.0), g.op("Greater", level, 70.0), g.op("Less", level, 225.0)))
    uneven = g.op("Max", *(spread(channel) for channel in rgb))
    simple = g.above(uneven, 14.0, -0.4)
    return {
        "white_background": g.above(white, 0.8, 20.0),
        "black_background": g.above(black, 0.8, 20.0),
        "grey_background": g.op("Min", g.above(least(flat), 0.8, 20.0), simple),
        "simple_background": simple,
    }


def _colours(g: _Graph, rgb: tuple[str, str, str], high: str, low: str, content: str) -> dict[str, str]:
    """Shares of hues among the content; hue in degrees as in HSV, chroma 0..255."""
    red, green, blue = rgb
    chroma = g.op("Sub", high, low)
    level = g.op("Add", g.op("Mul", red, 0.299), g.op("Add", g.op("Mul", green, 0.587), g.op("Mul", blue, 0.114)))
    hue = _hue(g, rgb, high, chroma)
    coloured = g.op("Greater", chroma, 40.0)
    shares: dict[str, str] = {}
    for name, (start, end) in HUES.items():
        above, below = g.op("Not", g.op("Less", hue, float(start))), g.op("Less", hue, float(end))
        inside = g.op("Or", above, below) if start > end else g.op("And", above, below)
        mask = g.both(inside, coloured)
        if name == "orange":
            brown = g.both(mask, g.op("Less", high, 160.0))
            shares["brown"] = g.share(g.number(brown), content)
            mask = g.both(mask, g.op("Not", brown))
        shares[name] = g.share(g.number(mask), content)
    grey = g.share(g.number(g.op("Less", chroma, 12.0)), content)
    mean_chroma, mean_level = g.share(chroma, content), g.share(level, content)
    away = g.op("Sub", level, mean_level)
    contrast = g.op("Sqrt", g.share(g.op("Mul", away, away), content))
    blank = g.op("Less", g.sum(content, [1, 2]), 0.5)
    greyscale = g.above(g.op("Where", blank, 1.0, grey), 0.96, 100.0)
    present = [g.number(g.op("Greater", s, 0.07)) for n, s in shares.items() if n != "brown"]
    colours = present[0]
    for one in present[1:]:
        colours = g.op("Add", colours, one)
    tinted = g.op("Min", g.above(_agreement(g, hue, chroma, content), 0.985, 200.0), g.above(mean_chroma, 14.0, 0.5))
    return {
        "greyscale": greyscale,
        "monochrome": g.op("Max", greyscale, tinted),
        "colorful": g.op("Min", g.above(colours, 4.5, 4.0), g.above(mean_chroma, 55.0, 0.15)),
        "muted_color": g.op("Min", g.above(mean_chroma, 30.0, -0.3), g.above(mean_chroma, 9.0, 0.8)),
        "dark": g.above(g.op("Where", blank, 255.0, mean_level), 55.0, -0.15),
        "high_contrast": g.above(contrast, 88.0, 0.25),
        **{f"{name}_theme": g.above(share, 0.5, 14.0) for name, share in shares.items()},
    }


def _hue(g: _Graph, rgb: tuple[str, str, str], high: str, chroma: str) -> str:
    red, green, blue = rgb
    some = g.op("Max", chroma, 1e-3)
    by_red = g.op("Div", g.op("Sub", green, blue), some)
    by_green = g.op("Add", g.op("Div", g.op("Sub", blue, red), some), 2.0)
    by_blue = g.op("Add", g.op("Div", g.op("Sub", red, green), some), 4.0)
    is_green = g.op("Equal", high, green)
    sixths = g.op("Where", g.op("Equal", high, red), by_red, g.op("Where", is_green, by_green, by_blue))
    degrees = g.op("Mul", sixths, 60.0)
    return g.op("Where", g.op("Less", degrees, 0.0), g.op("Add", degrees, 360.0), degrees)


def _agreement(g: _Graph, hue: str, chroma: str, content: str) -> str:
    """How much all hues point one way: 1 for a single hue, 0 for all hues alike; weighted by chroma."""
    angle = g.op("Mul", hue, 3.14159265 / 180)
    weight = g.op("Mul", chroma, content)
    east, north = g.share(g.op("Cos", angle), weight), g.share(g.op("Sin", angle), weight)
    return g.op("Sqrt", g.op("Add", g.op("Mul", east, east), g.op("Mul", north, north)))


def labels() -> str:
    """The label file: ratings first, as WD has them; the identifiers are our own."""
    rows = [f"{9000000 + i},{name},9,0" for i, (name, _) in enumerate(RATINGS)]
    rows += [f"{8000000 + i},{name},0,0" for i, name in enumerate(TAGS)]
    return "\n".join(["tag_id,name,category,count", *rows]) + "\n"


def write(folder: Path) -> None:
    """Writes `model.onnx` and `selected_tags.csv`."""
    import onnx

    model = build()
    onnx.checker.check_model(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "selected_tags.csv").write_text(labels(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
