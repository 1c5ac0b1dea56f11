"""Known run: what a run told that had nothing to do, told again by the next one if nothing has changed since.

A run that found everything known and wrote nothing to the ledger does the same when it starts from the same state. So
its events and figures are kept under the state's fingerprint, and the next run need not look at a single record.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from curate.core.database import Database
from curate.core.events import (
    ConceptsChanged,
    Event,
    InstructionsDone,
    Listener,
    Note,
    Scanned,
    StageRecalled,
)
from curate.core.runner import Planned

_KINDS: tuple[type[Event], ...] = (Scanned, ConceptsChanged, InstructionsDone, StageRecalled, Note)
"""What a run tells that has nothing to do."""


@dataclass(frozen=True)
class KnownRun:
    """What a run told, the figures of its summary, and how many records it ended with: all, and those set aside.

    A plan tells the same as the run at the places `planned`.
    """

    events: Sequence[Event]
    planned: Sequence[int]
    figures: Mapping[str, Any]
    records: int
    aside: int

    def to_json(self) -> str:
        """As the ledger keeps it; `from_json` reads it."""
        events = [[type(event).__name__, dataclasses.asdict(event)] for event in self.events]
        return json.dumps([events, list(self.planned), self.figures, self.records, self.aside], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> KnownRun | None:
        """None where it cannot be read."""
        kinds = {kind.__name__: TypeAdapter(kind) for kind in _KINDS}
        try:
            events, planned, figures, records, aside = json.loads(text)
            return cls(
                [kinds[name].validate_python(fields) for name, fields in events], planned, figures, records, aside
            )
        except (ValueError, KeyError, ValidationError):
            return None

    def tell(self, tell: Listener) -> None:
        """Tells all of it again."""
        for event in self.events:
            tell(event)

    def plan(self, tell: Listener) -> list[Planned]:
        """What a plan says of such a run: everything is done."""
        for place in self.planned:
            tell(self.events[place])
        # what has no title is no stage of the pipeline: archives that were unpacked before
        rows = [event for event in self.events if isinstance(event, StageRecalled) and event.title]
        return [Planned(row.stage, 0, row.recalled, 0, row.title) for row in rows]


def known_run(ledger: Database, fingerprint: str | None) -> KnownRun | None:
    """The run that a ledger knows to do nothing in this state. Raises CurateError where the ledger is damaged."""
    text = ledger.known_run(fingerprint) if fingerprint else None
    return KnownRun.from_json(text) if text else None


@dataclass
class Recorder:
    """A listener that keeps what a run tells, as long as it may be known as a whole; then it keeps nothing."""

    tell_on: Listener
    events: list[Event] | None = field(default_factory=list[Event])
    planned: list[int] = field(default_factory=list[int])
    in_plan: bool = False

    def tell(self, event: Event) -> None:
        """Keeps the event, and tells it on."""
        if self.events is not None:
            if isinstance(event, _KINDS):
                if self.in_plan:
                    self.planned.append(len(self.events))
                self.events.append(event)
            else:
                self.spoil()
        self.tell_on(event)

    @contextlib.contextmanager
    def planning(self) -> Generator[None]:
        """Around what a plan does too, and tells."""
        self.in_plan = True
        try:
            yield
        finally:
            self.in_plan = False

    def tell_aside(self, event: Event) -> None:
        """Tells on what another run need not tell: what a library logs, that the user wants to stop."""
        self.spoil()
        self.tell_on(event)

    def spoil(self) -> None:
        """The run is not known as a whole."""
        self.events = None
        self.planned.clear()
