"""Object detectors that answer the same for every picture: small ONNX graphs of each layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

INSIDE = (16.0, 22.4, 35.2, 38.4)


def model(path: Path, output: np.ndarray, side: int = 64) -> Path:
    """A detector that always answers `output`, through a graph that runs on its input."""
    value = helper.make_tensor("value", TensorProto.FLOAT, output.shape, output.astype(np.float32).ravel())
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["value", "nothing"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, output.shape)],
        [value, zero],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    onnx.save(made, path)
    return path


def layouts() -> dict[str, np.ndarray]:
    left, top, right, bottom = INSIDE
    centre = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
    v5 = np.zeros((1, 30, 7))
    v5[0, 0] = [*centre, 0.9, 0.1, 0.95]
    v5[0, 1] = [*(v + 0.5 for v in centre), 0.8, 0.1, 0.9]  # overlaps the first
    v5[0, 2] = [5, 5, 4, 4, 0.2, 0.9, 0.9]  # too doubtful
    v8 = np.zeros((1, 6, 30))
    v8[0, :, 0] = [*centre, 0.1, 0.86]
    v8[0, :, 1] = [*(v + 0.5 for v in centre), 0.1, 0.7]
    done = np.zeros((1, 30, 6))
    done[0, 0] = [left, top, right, bottom, 0.86, 1]
    return {"v5": v5, "v8": v8, "end to end": done}
