"""A call to a Ray actor carries what takes a quarter of a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.core.chain import Prepared, open_chain
from curate.core.stage import Env, RecordStage
from curate.executors import ray_worker
from curate.executors.ray_call_size import SECONDS, CallSize
from curate.executors.ray_files import Mirror
from tests.core.helpers import RawPictures, pictures
from tests.core.stages import Batched, Word


def sizes(*seconds: float) -> list[int]:
    """The sizes of calls whose pictures took so long each."""
    size, found = CallSize(), [1]
    for each in seconds:
        size.learn(size.count, each * size.count)
        found.append(size.count)
    return found


def test_it_grows_by_doubling_to_what_takes_the_time() -> None:
    assert sizes(*[0.04] * 5) == [1, 2, 4, 6, 6, 6]
    assert int(SECONDS / 0.04) == 6


def test_slow_pictures_go_one_by_one_and_quick_ones_by_sixteen() -> None:
    assert sizes(3, 3, 3) == [1, 1, 1, 1]
    assert sizes(*[0.0] * 6)[-1] == sizes(*[0.001] * 6)[-1] == 16


def test_it_shrinks_at_once_and_learns_nothing_from_calls_that_did_nothing() -> None:
    found = sizes(*[0.01] * 6, 2)
    assert found[-2:] == [16, 1]
    size = CallSize()
    size.learn(0, 5)
    assert size.count == 1


def test_a_worker_that_is_late_gives_back_what_it_has_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tuple(enumerate(pictures(tmp_path / "in", 5)))
    assert replied(tmp_path, Word(), work) == ([0, 1, 2, 3, 4], [])
    monkeypatch.setattr(ray_worker, "LONGEST", 0.0)
    assert replied(tmp_path, Word(), work) == ([0], [1, 2, 3, 4])
    assert replied(tmp_path, Batched(), work) == ([0, 1, 2, 3, 4], [])


def replied(folder: Path, stage: RecordStage, work: tuple[ray_worker.Work, ...]) -> tuple[list[int], list[int]]:
    """The places of what a worker did in one call, and of what it gave back."""
    env, chain = Env(root=folder, output=folder, pictures=RawPictures()), [Prepared(stage, "")]
    with open_chain(chain, env) as apply:
        worker = ray_worker.RayWorker()
        worker.opened(chain, apply, Mirror(folder, env, shares_disk=True))
        reply = worker.apply(ray_worker.Parcel(work))
    return [outcome.index for outcome in reply.outcomes], list(reply.unbegun)
