"""An ONNX graph that is written node by node."""

from __future__ import annotations

from typing import Any

CELLS = 56
"""Rows and columns that a picture is divided into."""


class Graph:
    """Nodes appended one by one; every method that adds some returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """A node of this operator; inputs that are no names become constants."""
        from onnx import helper

        names = [i if isinstance(i, str) else self.value(i) for i in inputs]
        result = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [result], **attributes))
        return result

    def value(self, value: Any) -> str:
        """A constant: integers for a list, else a float."""
        import numpy as np
        from onnx import numpy_helper

        array = np.asarray(value, dtype=np.int64 if isinstance(value, list) else np.float32)
        name = "c" + "_".join(str(v) for v in array.ravel().tolist())
        self.constants.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def mean(self, x: str, axes: list[int], keep: int = 1) -> str:
        """Mean over axes."""
        return self.op("ReduceMean", x, axes, keepdims=keep)

    def sum(self, x: str, axes: list[int], keep: int = 1) -> str:
        """Sum over axes."""
        return self.op("ReduceSum", x, axes, keepdims=keep)

    def both(self, *conditions: str) -> str:
        """Whether all conditions hold."""
        result = conditions[0]
        for other in conditions[1:]:
            result = self.op("And", result, other)
        return result

    def number(self, condition: str) -> str:
        """1 where the condition holds, else 0."""
        return self.op("Cast", condition, to=1)

    def share(self, mask: str, weight: str) -> str:
        """Weighted mean of a 0/1 mask over the picture, N×1×1; 0 where nothing has weight."""
        some = self.op("Max", self.sum(weight, [1, 2]), 1e-6)
        return self.op("Div", self.sum(self.op("Mul", mask, weight), [1, 2]), some)

    def above(self, measure: str, limit: float, slope: float) -> str:
        """Logit of "the measurement lies above the limit"; a negative slope turns it round."""
        return self.op("Mul", self.op("Sub", measure, limit), slope)
