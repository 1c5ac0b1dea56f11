"""Loss curves are read from the files that a training writes for TensorBoard."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from curate.report.loss_curves import loss_curves, thinned

RUN = "0123456789abcdef"


def written(logs: Path, first: int, last: int, run: str = RUN) -> None:
    pytest.importorskip("tensorboard")
    from curate.train.monitor.watch import Board

    board = Board(logs / f"dog-{run[:8]}", first)
    for step in range(first, last + 1):
        board.scalars(
            step, {"loss/average": 1 / step, "rate": 0.1} | ({"loss/validation": 0.5} if step == last else {})
        )
    board.close()


def test_the_curves_of_a_run_and_not_of_another(tmp_path: Path) -> None:
    written(tmp_path, 1, 5)
    curves = loss_curves(tmp_path, RUN)
    assert list(curves) == ["training loss, moving average", "validation loss"]
    assert curves["training loss, moving average"] == tuple((n, pytest.approx(1 / n)) for n in range(1, 6))
    assert curves["validation loss"] == ((5, 0.5),)
    assert loss_curves(tmp_path, "fedcba9876543210") == {}


def test_nothing_or_something_else_is_no_curve(tmp_path: Path) -> None:
    assert loss_curves(tmp_path / "nowhere", RUN) == {}
    folder = tmp_path / f"dog-{RUN[:8]}"
    folder.mkdir()
    (folder / "events.out.tfevents.1.host.1.0").write_bytes(b"not an event file at all")
    assert loss_curves(tmp_path, RUN) == {}


def test_a_resumed_run_is_one_curve(tmp_path: Path) -> None:
    written(tmp_path, 1, 6)
    (file,) = (tmp_path / f"dog-{RUN[:8]}").iterdir()
    file.rename(file.with_name("events.out.tfevents.0000000001.host.1.0"))
    written(tmp_path, 4, 8)
    assert [step for step, _ in loss_curves(tmp_path, RUN)["training loss, moving average"]] == list(range(1, 9))


def test_long_curves_are_thinned_and_keep_their_end() -> None:
    points = [(step, 0.0) for step in range(1, 1202)]
    short = thinned(points)
    assert len(short) <= 400 and short[-1][0] == 1201 and {b[0] - a[0] for a, b in pairwise(short)} == {4}
