"""The closing figures of a run say what was done, however it ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from curate.core.events import Event, Scanned, StageFinished, StageStarted
from curate.drive.session import Completion, Job, Session, carry_out
from curate.errors import InputError
from curate.pipeline import RunOptions

STAGES = ["convert", "tag", "export", "train"]
CONVERTED = [StageStarted("convert", 3, 0), StageFinished("convert", 3, 0, 0, 0.1)]
TAGGED = [StageStarted("tag (scoring)", 3, 0), StageFinished("tag (scoring)", 3, 0, 0, 0.1)]
EXPORTED = [StageStarted("export", 3, 0), StageFinished("export", 3, 0, 0, 0.1)]


@pytest.mark.parametrize(
    ("stages", "events", "prepared"),
    [
        (STAGES, [], 0),
        (STAGES, [StageStarted("convert", 3, 0)], 0),
        (STAGES, CONVERTED, 0),
        (STAGES, [*CONVERTED, *TAGGED, StageStarted("export", 3, 0)], 0),
        (STAGES, [*CONVERTED, *TAGGED, *EXPORTED, StageStarted("train", 3, 0)], 3),
        (["train"], [StageStarted("train", 3, 0)], 3),
        (["trigger"], [], 0),
    ],
)
def test_a_run_that_fails_counts_only_pictures_that_are_prepared(
    stages: Sequence[str], events: Sequence[Event], prepared: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(session: Session) -> Completion:
        for event in (Scanned(3, {"dog": 3}), *events):
            session.tell(event)
        raise InputError("the disk is full")

    with pytest.raises(InputError, match="disk is full"):
        carry_out(Job(tmp_path, stages, RunOptions(), {}), work)
    lines = (tmp_path / ".curate/events.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(lines[-1])
    assert (last["status"], last["pictures"], last["prepared"]) == ("failed", 3, prepared)
    printed = capsys.readouterr().err
    assert "Failed" in printed
    assert ("prepared  " in printed) == bool(prepared)
