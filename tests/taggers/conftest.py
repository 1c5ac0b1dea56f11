"""Small ONNX graphs with a family's exact input and output, and label files to go with them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

Build = Callable[..., Path]


def probe(
    path: Path,
    outputs: int,
    *,
    shape: Sequence[int | str] = ("batch", 448, 448, 3),
    name: str = "input",
    output: str = "output",
    sigmoid: bool = False,
    dtype: int = TensorProto.FLOAT,
    extra: str = "",
    slope: float = 0.001,
) -> Path:
    """A graph whose output i is `slope`·(mean of channel i mod 3) + i/1000: order and channels show in the result."""
    last = shape[3] == 3
    kind = np.float16 if dtype == TensorProto.FLOAT16 else np.float32
    mix = np.zeros((3, outputs), kind)
    for i in range(outputs):
        mix[i % 3, i] = slope
    values = [
        numpy_helper.from_array(mix, "mix"),
        numpy_helper.from_array((np.arange(outputs) / 1000).astype(kind), "bias"),
    ]
    values.append(numpy_helper.from_array(np.array([1 if last else 2], np.int64), "axis"))
    nodes = [
        # rows, then columns: the sum of a whole picture at once loses digits in single precision
        helper.make_node("ReduceMean", [name, "axis"], ["columns"], keepdims=0),
        helper.make_node("ReduceMean", ["columns", "axis"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "mix"], ["mixed"]),
        helper.make_node("Add", ["mixed", "bias"], ["sum"]),
        helper.make_node("Sigmoid" if sigmoid else "Identity", ["sum"], [output]),
    ]
    declared = [helper.make_tensor_value_info(output, dtype, [shape[0], outputs])]
    if extra:
        nodes.insert(2, helper.make_node("Identity", ["mean"], [extra]))
        declared.insert(0, helper.make_tensor_value_info(extra, dtype, [shape[0], 3]))
    graph = helper.make_graph(
        nodes, "probe", [helper.make_tensor_value_info(name, dtype, list(shape))], declared, initializer=values
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def table(
    path: Path, rows: Sequence[Sequence[Any]], header: Sequence[str] = ("tag_id", "name", "category", "count")
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


WD_ROWS = (
    (9999999, "general", 9, 0),
    (9999998, "sensitive", 9, 0),
    (9999997, "questionable", 9, 0),
    (9999996, "explicit", 9, 0),
    (1, "1girl", 0, 0),
    (2, "long hair", 0, 0),
    (3, "hatsune_miku", 4, 0),
)


@pytest.fixture
def wd_folder(tmp_path: Path) -> Path:
    """A model folder in the WD layout."""
    probe(tmp_path / "wd" / "model.onnx", len(WD_ROWS))
    table(tmp_path / "wd" / "selected_tags.csv", WD_ROWS)
    return tmp_path / "wd"


@pytest.fixture
def build() -> Callable[..., Path]:
    return probe


@pytest.fixture
def write_table() -> Callable[..., Path]:
    return table


@pytest.fixture
def gradient() -> np.ndarray:
    """60×100, each channel another ramp."""
    y, x = np.mgrid[0:60, 0:100]
    return np.stack([x * 2, y * 4, (x + y)], axis=2).astype(np.uint8)
