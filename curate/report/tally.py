"""Tally: the listener that counts what the closing summary needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from curate.core.events import (
    ConceptsChanged,
    Event,
    InstructionsDone,
    Note,
    RecordDone,
    Removed,
    RunFinished,
    RunStarted,
    Saved,
    Scanned,
    SourcesChanged,
    StageFinished,
    StageRecalled,
    StageStarted,
    TrainStep,
    Validated,
)

_POINTS = 400


@dataclass
class StageRow:
    """What one stage did. Stages that ran fused share a `turn`, and their `seconds` are those of the whole turn."""

    stage: str
    turn: int
    computed: int = 0
    recalled: int = 0
    aside: int = 0
    seconds: float = 0.0
    running: bool = True


@dataclass
class Tally:
    """Counts events. `titles` are what people call stages whose names are others.

    It holds a row per stage, per note and per picture set aside, nothing per picture otherwise."""

    output: str = ""
    device: str = ""
    pictures: int | None = None
    concepts: dict[str, int] = field(default_factory=dict[str, int])
    rows: list[StageRow] = field(default_factory=list[StageRow])
    titles: dict[str, str] = field(default_factory=dict[str, str])
    aside: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    notes: list[Note] = field(default_factory=list[Note])
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    instructions: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    saved: list[Saved] = field(default_factory=list[Saved])
    step: TrainStep | None = None
    curve: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    validation: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    end: RunFinished | None = None
    _turn: int = 0
    _stride: int = 1

    @property
    def computed(self) -> int:
        """Results that stages computed, each picture counted once by each."""
        return sum(row.computed for row in self.rows)

    def tell(self, event: Event) -> None:
        """The listener."""
        match event:
            case RunStarted():
                self.output, self.device = event.output, event.device
            case Scanned():
                self.pictures, self.concepts = event.pictures, dict(event.concepts)
            case ConceptsChanged():
                self.concepts = dict(event.concepts)
            case InstructionsDone():
                self.instructions = {word: list(keys) for word, keys in event.pictures.items()}
            case SourcesChanged():
                self.added, self.removed = event.added, event.removed
            case StageStarted() | StageRecalled() | StageFinished():
                self._stage(event)
            case RecordDone():
                row = self._open(event.stage)
                if row:
                    row.computed += 1
                if event.aside:
                    self.aside.setdefault(event.key, (event.stage, event.aside))
            case Note():
                self.notes.append(event)
            case Saved():
                self.saved.append(event)
            case Removed():
                self.saved = [one for one in self.saved if one.path != event.path]
            case TrainStep():
                self.step = event
                self._trace(event)
            case Validated():
                self.validation.append((event.step, event.loss))
            case RunFinished():
                self.end = event
            case _:
                pass

    def _stage(self, event: StageStarted | StageRecalled | StageFinished) -> None:
        if not isinstance(event, StageFinished) and event.title not in ("", event.stage):
            self.titles[event.stage] = event.title
        match event:
            case StageStarted():
                if not any(row.running for row in self.rows):
                    self._turn += 1
                self.rows.append(StageRow(event.stage, self._turn, recalled=event.recalled))
            case StageRecalled():
                self.rows.append(StageRow(event.stage, 0, recalled=event.recalled, running=False))
            case StageFinished():
                row = self._open(event.stage)
                if row:
                    row.computed, row.recalled, row.aside = event.computed, event.recalled, event.aside
                    row.seconds, row.running = event.seconds, False

    def _trace(self, event: TrainStep) -> None:
        """Keeps the average loss of evenly spread steps, at most _POINTS of them however long the training is."""
        if self.curve and event.step < self.curve[-1][0] + self._stride:
            return
        self.curve.append((event.step, event.average))
        if len(self.curve) > _POINTS:
            del self.curve[1::2]
            self._stride *= 2

    def _open(self, stage: str) -> StageRow | None:
        return next((row for row in self.rows if row.stage == stage and row.running), None)
