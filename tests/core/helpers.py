"""What the core's tests share: a runner over a ledger in a temporary folder, with every event written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from curate.core.events import Event, StageFinished, StageRecalled, StageStarted
from curate.core.executor import Executor
from curate.core.record import Image, Manifest, Record
from curate.core.runner import Runner
from curate.core.stage import Concept, Env, Stage
from curate.core.store import LEDGER, Store
from curate.executors.local import InProcess, Processes


class RawPictures:
    """Pictures as raw bytes: 1 row of RGB; small, lossless and quick."""

    def read(self, path: Path) -> np.ndarray:
        return np.frombuffer(path.read_bytes(), np.uint8).reshape(1, -1, 3)

    def write(self, pixels: np.ndarray, path: Path, encoding: str) -> None:
        path.write_bytes(pixels.tobytes())


@dataclass
class Bench:
    """One output folder; each `run` is a run of its own, over a ledger opened anew."""

    folder: Path
    processes: int = 0
    executor: Executor | None = None
    stop: Callable[[], bool] | None = None
    concepts: dict[str, Concept] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def run(self, stages: Sequence[Stage], manifest: Manifest) -> Manifest:
        self.events.clear()
        with Store(self.folder) as store:
            return self.runner(store).run(stages, manifest)

    def plan(self, stages: Sequence[Stage], manifest: Manifest) -> list[tuple[str, int, int, int]]:
        with Store(self.folder) as store:
            return [(p.stage, p.compute, p.recalled, p.unknown) for p in self.runner(store).plan(stages, manifest)]

    def runner(self, store: Store) -> Runner:
        env = Env(
            root=(self.folder / LEDGER).absolute(),
            output=self.folder,
            pictures=RawPictures(),
            store=store,
            concepts=self.concepts,
            stop=self.stop,
        )
        executor = self.executor or (Processes(self.processes) if self.processes else InProcess())
        return Runner(store, env, lambda chain, todo: executor, self.events.append)

    def started(self) -> dict[str, int]:
        """Stages that ran, with the number of pictures they had to compute."""
        return {e.stage: e.todo for e in self.events if isinstance(e, StageStarted)}

    def objects(self) -> dict[str, bytes]:
        """What was encoded, by file name."""
        return {p.name: p.read_bytes() for p in (self.folder / LEDGER / "objects").rglob("*") if p.is_file()}

    def recalled(self) -> list[str]:
        return [e.stage for e in self.events if isinstance(e, StageRecalled)]

    def finished(self) -> dict[str, StageFinished]:
        return {e.stage: e for e in self.events if isinstance(e, StageFinished)}


def pictures(folder: Path, count: int = 4, **fields: object) -> Manifest:
    """Records of small raw pictures, a different one each."""
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for n in range(count):
        path = folder / f"{n}.raw"
        path.write_bytes(bytes([n, n + 1, n + 2] * 4))
        records.append(
            Record(f"dog/{n}.raw", "dog", f"origin{n}", Image(f"digest{n}", str(path)), tags=(f"p{n}",), **fields)
        )  # type: ignore[arg-type]
    return Manifest(records)


def told(manifest: Manifest) -> list[tuple[str, ...]]:
    return [r.tags for r in manifest]
