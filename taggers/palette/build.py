"""Builds palette's graph and label file: `python -m taggers.palette.build [FOLDER]` (needs the package `onnx`).

The graph follows the WD contract (N×448×448×3 BGR 0..255 in, probabilities out). It measures on cells of 8×8
pixels; white bars, which padding to a square adds, are left out. Every tag is the logistic of one measurement
against one limit, so that 0.5 means "just at the limit".
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from taggers.palette.background import background
from taggers.palette.graph import CELLS, Graph

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


def build() -> Any:
    """The model, as an `onnx.ModelProto`."""
    from onnx import TensorProto, helper

    g = Graph()
    cells = g.op("Reshape", "input", [0, CELLS, 8, CELLS, 8, 3])
    cells = g.mean(cells, [2, 4], keep=0)
    blue, green, red = (g.op("Squeeze", s, [3]) for s in _split(g, cells))
    high = g.op("Max", red, green, blue)
    low = g.op("Min", red, green, blue)
    content, rows, columns = _content(g, low)
    measures = {
        **background(g, (red, green, blue), high, low, rows, columns),
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


def _split(g: Graph, cells: str) -> list[str]:
    return [g.op("Slice", cells, [c], [c + 1], [3]) for c in range(3)]


def _content(g: Graph, low: str) -> tuple[str, str, str]:
    """Weights of cells, rows and columns that are not white from edge to edge (N×56×56, N×56×1, N×1×56)."""
    white = 253.0
    rows = g.number(g.op("Less", g.op("ReduceMin", low, [2], keepdims=1), white))
    columns = g.number(g.op("Less", g.op("ReduceMin", low, [1], keepdims=1), white))
    return g.op("Mul", rows, columns), rows, columns


def _colours(g: Graph, rgb: tuple[str, str, str], high: str, low: str, content: str) -> dict[str, str]:
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


def _hue(g: Graph, rgb: tuple[str, str, str], high: str, chroma: str) -> str:
    red, green, blue = rgb
    some = g.op("Max", chroma, 1e-3)
    by_red = g.op("Div", g.op("Sub", green, blue), some)
    by_green = g.op("Add", g.op("Div", g.op("Sub", blue, red), some), 2.0)
    by_blue = g.op("Add", g.op("Div", g.op("Sub", red, green), some), 4.0)
    is_green = g.op("Equal", high, green)
    sixths = g.op("Where", g.op("Equal", high, red), by_red, g.op("Where", is_green, by_green, by_blue))
    degrees = g.op("Mul", sixths, 60.0)
    return g.op("Where", g.op("Less", degrees, 0.0), g.op("Add", degrees, 360.0), degrees)


def _agreement(g: Graph, hue: str, chroma: str, content: str) -> str:
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
