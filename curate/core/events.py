"""Events: what the runner tells whoever listens; core never prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events; plain values only, so that events.jsonl is one `asdict` away."""


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A run or a command began; `output` is the folder written to."""

    output: str
    stages: tuple[str, ...]
    device: str = ""


@dataclass(frozen=True, slots=True)
class Scanned(Event):
    """The input was listed: pictures found, by concept."""

    pictures: int
    concepts: dict[str, int]


@dataclass(frozen=True, slots=True)
class SourcesChanged(Event):
    """The keys of pictures that came into the input since the last run, and of those that left it."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConceptsChanged(Event):
    """How many pictures each concept has, since a person moved some to another one."""

    concepts: dict[str, int]


@dataclass(frozen=True, slots=True)
class InstructionsDone(Event):
    """What was carried out now of what a person asked for: the keys of the pictures, by what was done to them."""

    pictures: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class StageStarted(Event):
    """A stage has work to do: `todo` pictures to compute, `recalled` already known.

    `title` is what people call it, "" where that is its name; `unit` one of what it counts.
    """

    stage: str
    todo: int
    recalled: int
    title: str = ""
    unit: str = "picture"


@dataclass(frozen=True, slots=True)
class RecordDone(Event):
    """One picture went through a stage; where it left set aside, `aside` says why."""

    stage: str
    key: str
    aside: str = ""


@dataclass(frozen=True, slots=True)
class StageFinished(Event):
    """A stage that had started is done; `unit` is one of what it counts."""

    stage: str
    computed: int
    recalled: int
    aside: int
    seconds: float
    unit: str = "picture"


@dataclass(frozen=True, slots=True)
class StageRecalled(Event):
    """Everything a stage would do is known; it did not run. `title` is what people call it, `unit` what it counts."""

    stage: str
    recalled: int
    title: str = ""
    unit: str = "picture"


@dataclass(frozen=True, slots=True)
class TrainStep(Event):
    """An optimizer step: its `loss`, the moving `average`, `rate` the current learning rate, the highest of several.

    `epoch` counts from 1 to `epochs`; both are 0 where nobody knows.
    """

    step: int
    steps: int
    loss: float
    average: float
    rate: float
    epoch: int = 0
    epochs: int = 0


@dataclass(frozen=True, slots=True)
class Phase(Event):
    """What a stage is busy with before or between its pictures and steps: "encoding pictures", `done` of `total`.

    `total` is 0 where there is nothing to count.
    """

    stage: str
    task: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Validated(Event):
    """The mean `loss` of pictures that are never trained, measured after `step` of `steps` optimizer steps."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True, slots=True)
class Saved(Event):
    """A file worth telling of was written, or is still there from an earlier run (`kind`: lora, checkpoint, sample)."""

    kind: str
    path: str
    recalled: bool = False


@dataclass(frozen=True, slots=True)
class Removed(Event):
    """A file that `Saved` told of was removed, since only the last ones are kept."""

    path: str


@dataclass(frozen=True, slots=True)
class Note(Event):
    """A line for the user: `level` is info, advice or warning; `stage` and `key` where it concerns one."""

    level: str
    message: str
    stage: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The closing figures; `status` is done, failed or interrupted."""

    status: str
    pictures: int
    prepared: int
    aside: int
    seconds: float


Listener = Callable[[Event], None]
