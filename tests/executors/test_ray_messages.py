"""What Ray prints by itself stays out of what the command prints."""

from __future__ import annotations

import importlib

import pytest

from curate.executors.ray import messages_hidden


def test_that_a_worker_died_is_not_printed_among_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray")
    worker = importlib.import_module("ray._private.worker")

    def print_message() -> str:
        message = {"lines": ["A worker died or was killed"], "pid": "raylet", "is_err": False, "ip": "127.0.0.1"}
        worker.print_to_stdstream(message, ignore_prefix=False)
        return capsys.readouterr().out

    with messages_hidden():
        assert print_message() == ""
    assert "A worker died" in print_message()
