"""Sequences of what a person does, with kills: no edit is lost, no picture doubled, a rerun changes nothing.

Those that once ended wrong are run by name, then random ones.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.folder.sequences import KNOWN, Actions
from tests.folder.world import WEIGHTED_ACTIONS, World

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork to die in the middle of a run")

SEQUENCES = int(os.environ.get("CURATE_SEQUENCES", "8"))
"""How many are run; each has up to 30 actions."""


class Sequences(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._place = tempfile.TemporaryDirectory()
        self.world = World(Path(self._place.name))

    @rule(
        action=st.sampled_from([a.__name__ for a, weight in WEIGHTED_ACTIONS.items() for _ in range(weight)]),
        n=st.integers(0, 9999),
    )
    def act(self, action: str, n: int) -> None:
        getattr(self.world, action)(n)

    def teardown(self) -> None:
        try:
            self.world.run(0)
        finally:
            self._place.cleanup()


@pytest.mark.parametrize("actions", KNOWN.values(), ids=KNOWN.keys())
def test_known_sequences(tmp_path: Path, actions: Actions) -> None:
    world = World(tmp_path)
    for action, n in (*actions, ("run", 0)):
        getattr(world, action)(n)


def test_random_sequences() -> None:
    run_state_machine_as_test(
        Sequences,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
