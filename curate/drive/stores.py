"""Stores: what lies at the addresses of a pipeline as a run or a plan begins. Each is listed once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from curate.core.events import Listener, Note
from curate.core.lock import run_lock
from curate.core.store import Store
from curate.pipeline import Pipeline
from curate.storage import Output, StoredInput, list_inputs

Listed = tuple[list[Path | StoredInput], list[str]]
"""The inputs, and digests of what stores list: of the output, then of each input that is an address."""


def stores_listed(
    pipeline: Pipeline, stored: Output | None, store: Store, tell: Listener, stopping: Callable[[], bool]
) -> Listed:
    """What stores list at the start of a run, whose output takes over what others changed there.

    What is told here is told by each run, whatever it knows. Raises CurateError where a store does not answer.
    """
    listings: list[str] = []
    if stored:
        tell(Note("info", f"{stored.address} is prepared in {stored.folder}"))
        listings.append(stored.take_over(store, tell, stopping))
    inputs = list_inputs(pipeline.input, tell, stopping)
    return inputs, listings + [one.digest for one in inputs if isinstance(one, StoredInput)]


def stores_before_plan(pipeline: Pipeline, tell: Listener) -> Listed:
    """The same for a plan, which writes nothing to a store. Raises CurateError where one does not answer."""
    if not pipeline.destination:
        inputs = list_inputs(pipeline.input, tell, _never)
        return inputs, [one.digest for one in inputs if isinstance(one, StoredInput)]
    stored = Output(pipeline.destination, pipeline.output)
    stored.begin(tell, writes=False)
    with run_lock(pipeline.output), Store(pipeline.output) as store:
        return stores_listed(pipeline, stored, store, tell, _never)


def _never() -> bool:
    """A plan is stopped by the signal itself."""
    return False
