"""Family: the rules that a kind of tagger model follows, and the published models that follow them."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from taggers.base import OpenTagger, Picture, Tensor, Vocabulary
from taggers.errors import BadModelError
from taggers.graph import OpenGraph
from taggers.labels import Labels, fit


@dataclass(frozen=True, slots=True)
class Model:
    """A published model: where it is, which files it needs, its terms. `embedded` ones come with this package."""

    name: str
    repo: str
    files: tuple[str, ...]
    licence: str
    vocabulary: Vocabulary = "danbooru"
    revision: str = "main"
    gated: bool = False
    megabytes: int = 0
    note: str = ""
    embedded: bool = False
    thresholds: tuple[tuple[str, float], ...] = ()


class Family:
    """How models of one kind are prepared for and read. Subclasses are stateless; one object serves all models."""

    name: ClassVar[str]
    verified: ClassVar[bool] = False
    """Whether the rules were checked here against a program that is the reference."""
    models: ClassVar[tuple[Model, ...]] = ()
    vocabulary: ClassVar[Vocabulary] = "danbooru"
    thresholds: ClassVar[Mapping[str, float]] = {"general": 0.35, "character": 0.85}
    model_files: ClassVar[tuple[str, ...]] = ("model.onnx",)
    label_files: ClassVar[tuple[str, ...]] = ()
    extra_files: ClassVar[tuple[str, ...]] = ()

    def labels(self, path: Path) -> Labels:
        """Reads the label file. Raises BadModelError."""
        raise NotImplementedError

    def limits(self, extras: Sequence[Path]) -> dict[str, float]:
        """Thresholds by category; read from a file where the family ships one."""
        return dict(self.thresholds)

    def suits(self, graph: Graph | None, labels: Path) -> bool:
        """Whether a graph and a label file found on disk look like this family's."""
        raise NotImplementedError

    def open(
        self,
        model: Path,
        labels: Path,
        extras: Sequence[Path],
        *,
        device: str,
        require_gpu: bool,
        floor: float,
        batch: int,
    ) -> AbstractContextManager[OpenTagger]:
        """See `Tagger.open`."""
        raise NotImplementedError


class OnnxFamily(Family):
    """A family whose models are ONNX graphs: subclasses say how to prepare and how to read the output."""

    def prepare(self, picture: Picture, side: int, extras: Sequence[Path]) -> Tensor:
        """One picture as the graph wants it, without the batch axis."""
        raise NotImplementedError

    def side(self, shape: Sequence[Any]) -> int:
        """The side of the input square, read off the graph; 448 where the graph leaves it open."""
        sides = [s for s in shape[1:] if isinstance(s, int) and s > 4]
        return sides[0] if sides else 448

    def output(self, graph: Graph) -> tuple[str, bool]:
        """The name of the output that holds the scores, and whether they are logits."""
        return graph.outputs[0].name, False

    def labelled(self, outputs: int) -> int:
        """How many labels belong to an output of that width."""
        return outputs

    @contextmanager
    def open(
        self,
        model: Path,
        labels: Path,
        extras: Sequence[Path],
        *,
        device: str,
        require_gpu: bool,
        floor: float,
        batch: int,
    ) -> Generator[OpenTagger]:
        """Loads the graph, checks it against its labels and yields it. Raises BadModelError, NoGpuError."""
        from taggers.batch_size import free_bytes
        from taggers.providers import CPU, session

        read = self.labels(labels)
        made = session(model, device, require_gpu=require_gpu)
        free = None if made.get_providers()[0] == CPU else free_bytes(int(device.partition(":")[2] or 0))
        graph = Graph.of(made)
        name, logits = self.output(graph)
        shape = next((o.shape for o in graph.outputs if o.name == name), graph.outputs[0].shape)
        if shape and isinstance(shape[-1], int):
            read = fit(labels, read, self.labelled(shape[-1]))
        prepare = partial(self._prepared, side=self.side(graph.shape), extras=tuple(extras))
        opened = OpenGraph(
            made,
            read,
            prepare,
            sigmoid if logits else _same,
            output=name,
            floor=floor,
            batch=batch,
            where=labels,
            free=free,
        )
        try:
            yield opened
        finally:
            del opened, made

    def _prepared(self, picture: Picture, side: int, extras: Sequence[Path]) -> Tensor:
        return self.prepare(picture, side, extras)


def sigmoid(logits: Tensor) -> Tensor:
    """1 / (1 + e^-x) without overflow."""
    return np.float32(0.5) * (np.float32(1.0) + np.tanh(np.float32(0.5) * logits))


def _same(scores: Tensor) -> Tensor:
    return scores


@dataclass(frozen=True, slots=True)
class Tensors:
    """Name and shape of a graph's input or output; open dimensions are names or None."""

    name: str
    shape: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """What a graph says of itself."""

    name: str
    shape: tuple[Any, ...]
    outputs: tuple[Tensors, ...]

    @classmethod
    def of(cls, session: Any) -> Graph:
        """Reads an onnxruntime session. Raises BadModelError where it is no picture model."""
        inputs, outputs = (
            [(t.name, tuple(t.shape)) for t in told] for told in (session.get_inputs(), session.get_outputs())
        )
        return cls.declared(inputs, outputs)

    @classmethod
    def declared(
        cls, inputs: Sequence[tuple[str, tuple[Any, ...]]], outputs: Sequence[tuple[str, tuple[Any, ...]]]
    ) -> Graph:
        """From names and shapes. Raises BadModelError where it is no picture model."""
        if len(inputs) != 1 or len(inputs[0][1]) != 4:
            raise BadModelError("not a tagger: one input of four dimensions (a batch of pictures) is expected")
        return cls(*inputs[0], tuple(Tensors(name, shape) for name, shape in outputs))

    @property
    def channels_last(self) -> bool:
        """NHWC rather than NCHW."""
        return self.shape[3] == 3
