"""An ONNX tagger that is loaded: tensors in, probabilities out, whatever batch the graph wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taggers.base import Picture, Scored, Source, Tensor
from taggers.batch_size import Room, fitting
from taggers.labels import Labels, fit
from taggers.prefetch import ahead

Prepare = Callable[[Picture], Tensor]
Probabilities = Callable[[Tensor], Tensor]


class Naming:
    """Gives outputs their names: what lies under the floor is left out, ratings and qualities excepted."""

    def __init__(self, labels: Labels, floor: float) -> None:
        self.labels, self.floor = labels, floor
        self._names = np.array(labels.names, dtype=object)
        self._categories = np.array(labels.categories, dtype=object)
        self._always = np.array([c in ("rating", "quality") for c in labels.categories])
        self._live = np.array([bool(n) for n in labels.names])

    def __call__(self, row: Tensor) -> Scored:
        """Scores by tag of one picture's outputs; of a tag that occurs twice the higher one."""
        chosen = np.flatnonzero(((row >= self.floor) | self._always) & self._live)
        names, categories = self._names[chosen], self._categories[chosen]
        scored: Scored = {}
        for name, score, category in zip(names, row[chosen].tolist(), categories, strict=True):
            if name not in scored or scored[name][0] < score:
                scored[name] = (score, category)
        return scored


class OpenGraph:
    """See `taggers.base.OpenTagger`. `output` is fetched, N×labels; `probabilities` makes scores of it.

    Without a `batch`, the graph's own counts, or what fits into `free` bytes of the device.
    """

    def __init__(
        self,
        session: Any,
        labels: Labels,
        prepare: Prepare,
        probabilities: Probabilities,
        *,
        output: str,
        floor: float = 0.0,
        batch: int = 0,
        where: Path | None = None,
        free: int | None = None,
    ) -> None:
        self.provider: str = session.get_providers()[0]
        self._session = session
        self._input = session.get_inputs()[0]
        self._output = output
        self._prepare = prepare
        self._probabilities = probabilities
        self._where = where or Path("labels")
        self._naming = Naming(labels, floor)
        fixed = self._input.shape[0]
        self.fixed = fixed if isinstance(fixed, int) and fixed > 0 else 0
        self._half = self._input.type == "tensor(float16)"
        self._room = Room(self.fixed or batch or self._most(free), fixed=bool(self.fixed))

    @property
    def batch(self) -> int:
        """How many pictures are run at once: as the graph, the caller or the device's memory has it."""
        return self._room.batch

    def _most(self, free: int | None) -> int:
        if self.provider == "CPUExecutionProvider":
            return 4
        side = max([s for s in self._input.shape[1:] if isinstance(s, int)], default=448)
        return fitting(free, side * side, half=self._half)

    def prepare(self, picture: Picture) -> Tensor:
        """What the graph is fed for one picture."""
        return self._prepare(picture)

    def __call__(self, pictures: Sequence[Picture]) -> list[Scored]:
        """Scores of each picture, in order."""
        scored: list[Scored] = []
        for start in range(0, len(pictures), self.batch):
            scored += self.infer([self.prepare(p) for p in pictures[start : start + self.batch]])
        return scored

    def stream(self, sources: Iterable[Source]) -> Iterator[Scored | Exception]:
        """Fetches and prepares on threads while the session runs."""
        return ahead(sources, lambda source: self.prepare(source()), self.infer, batch=self.batch)

    def infer(self, tensors: Sequence[Tensor]) -> list[Scored]:
        """Runs the graph on prepared tensors, `batch` of them at once, fewer where the device is too small."""
        return self._room.run(tensors, self._once)

    def _once(self, tensors: Sequence[Tensor]) -> list[Scored]:
        kind = np.float16 if self._half else np.float32
        stacked = np.stack(tensors).astype(kind, copy=False)
        if self.fixed and len(tensors) < self.fixed:
            stacked = np.concatenate([stacked, np.zeros((self.fixed - len(tensors), *stacked.shape[1:]), kind)])
        (found,) = self._session.run([self._output], {self._input.name: stacked})
        rows = self._probabilities(np.asarray(found, dtype=np.float32))
        if rows.shape[-1] != len(self._naming.labels):
            self._naming = Naming(fit(self._where, self._naming.labels, rows.shape[-1]), self._naming.floor)
        return [self._naming(row) for row in rows[: len(tensors)]]
