"""What an ONNX file says of its inputs and outputs, read past the weights: no session is made and nothing is loaded.

Numbers of fields are those of onnx.proto; its encoding is Protocol Buffers'.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

_GRAPH, _INITIALIZER, _INPUT, _OUTPUT, _TENSOR_NAME = 7, 5, 11, 12, 8
_NAME, _TYPE, _TENSOR, _SHAPE, _DIMENSION, _VALUE, _PARAMETER = 1, 2, 1, 2, 1, 1, 2

Declared = tuple[str, tuple[int | str | None, ...]]
"""Name and shape; open dimensions are names or None."""

Part = tuple[int, int]
"""Where a message, or a text, begins and ends."""


def declared(path: Path) -> tuple[list[Declared], list[Declared]]:
    """Inputs and outputs of the graph in a file; weights that are declared as inputs are left out.

    Raises ValueError for what is no ONNX file, OSError.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return _Reader(mapped).graph()


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data

    def graph(self) -> tuple[list[Declared], list[Declared]]:
        inputs: list[Declared] = []
        outputs: list[Declared] = []
        weights: set[str] = set()
        for graph in self._parts((0, len(self._data)), _GRAPH):
            for number, value in self._fields(graph):
                if number == _INITIALIZER and isinstance(value, tuple):
                    weights.update(self._text(name) for name in self._parts(value, _TENSOR_NAME))
                elif number in (_INPUT, _OUTPUT) and isinstance(value, tuple):
                    (inputs if number == _INPUT else outputs).append(self._declared(value))
        if not inputs or not outputs:
            raise ValueError("no graph with inputs and outputs")
        return [d for d in inputs if d[0] not in weights], outputs

    def _declared(self, info: Part) -> Declared:
        name = "".join(self._text(n) for n in self._parts(info, _NAME))
        shapes = (s for k in self._parts(info, _TYPE) for t in self._parts(k, _TENSOR) for s in self._parts(t, _SHAPE))
        return name, tuple(self._dimension(d) for shape in shapes for d in self._parts(shape, _DIMENSION))

    def _dimension(self, dimension: Part) -> int | str | None:
        for number, value in self._fields(dimension):
            if number == _VALUE and isinstance(value, int):
                return value
            if number == _PARAMETER and isinstance(value, tuple):
                return self._text(value) or None
        return None

    def _parts(self, message: Part, wanted: int) -> Iterator[Part]:
        for number, value in self._fields(message):
            if number == wanted and isinstance(value, tuple):
                yield value

    def _fields(self, message: Part) -> Iterator[tuple[int, int | Part]]:
        """Number and value of each field: a number, or where that lies which has a length."""
        at, end = message
        while at < end:
            tag, at = self._number(at, end)
            value: int | Part = 0
            if tag & 7 == 0:
                value, at = self._number(at, end)
            elif tag & 7 == 2:
                length, begin = self._number(at, end)
                at = begin + length
                value = (begin, at)
            elif tag & 7 in (1, 5):
                at += 8 if tag & 7 == 1 else 4
            else:
                raise ValueError(f"field of kind {tag & 7}")
            if at > end:
                raise ValueError("cut short")
            yield tag >> 3, value

    def _number(self, at: int, end: int) -> tuple[int, int]:
        """A number of variable length, and what follows it."""
        value = shift = 0
        while shift < 70 and at < end:
            byte = self._data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at
        raise ValueError("cut short")

    def _text(self, part: Part) -> str:
        return self._data[part[0] : part[1]].decode("utf-8")
