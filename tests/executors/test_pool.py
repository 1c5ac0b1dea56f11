"""Pool: processes started ahead, kept between passes, and none that failed or that nobody wants."""

from __future__ import annotations

import multiprocessing
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from curate.core.chain import Outcome, Prepared
from curate.core.record import Manifest
from curate.core.stage import Env, RecordStage, Resources
from curate.core.store import Store
from curate.errors import MissingError
from curate.executors.local import InProcess, Processes, choose
from curate.executors.pool import Pool
from tests.core.helpers import RawPictures, pictures
from tests.core.stages import Dying, Missing, Where, Word


@pytest.fixture
def pool() -> Generator[Pool]:
    made = Pool()
    yield made
    made.close()


@pytest.fixture
def five(tmp_path: Path) -> Manifest:
    return pictures(tmp_path / "in", 5)


def pass_over(five: Manifest, folder: Path, pool: Pool, *stages: RecordStage) -> list[Outcome]:
    env = Env(root=folder, output=folder, pictures=RawPictures())
    return list(Processes(2, pool).map([Prepared(s, "") for s in stages], list(enumerate(five)), env))


def places(outcomes: Sequence[Outcome]) -> set[str]:
    return {tag for one in outcomes for record in one.steps[-1] for tag in record.tags}


def test_a_process_serves_one_pass_after_another(five: Manifest, tmp_path: Path, pool: Pool) -> None:
    first = places(pass_over(five, tmp_path, pool, Where()))
    assert len(first) == 1
    words = pass_over(five, tmp_path, pool, Word(word="new"))
    assert all(one.steps[-1][0].tags[-1] == "new" for one in words)
    assert places(pass_over(five, tmp_path, pool, Where())) == first
    pool.close()
    assert places(pass_over(five, tmp_path, pool, Where())) != first


def test_a_process_that_died_is_not_used_again(five: Manifest, tmp_path: Path, pool: Pool) -> None:
    before = places(pass_over(five, tmp_path, pool, Where()))
    outcomes = pass_over(five, tmp_path, pool, Dying())
    assert sorted(bool(one.error) for one in outcomes) == [False] * 4 + [True]
    after = places(pass_over(five, tmp_path, pool, Where()))
    assert len(after) == 1
    assert not after & before


def test_a_pass_that_cannot_go_on_leaves_no_process(five: Manifest, tmp_path: Path, pool: Pool) -> None:
    before = places(pass_over(five, tmp_path, pool, Where()))
    with pytest.raises(MissingError):
        pass_over(five, tmp_path, pool, Missing())
    assert not places(pass_over(five, tmp_path, pool, Where())) & before


def test_a_process_started_ahead_does_the_work(five: Manifest, tmp_path: Path, pool: Pool) -> None:
    pool.start_ahead([Where()], [tmp_path / "in"], tmp_path / "out", 2)
    assert pool.idle_count == 1
    started = {str(process.pid) for process in multiprocessing.active_children()}
    assert places(pass_over(five, tmp_path, pool, Where())) <= started


@pytest.mark.parametrize(
    ("stage", "known", "workers"),
    [(Where(), True, 2), (Where(), False, 1), (Where(), False, "auto"), (Where(), False, "no")],
)
def test_nothing_is_started_where_it_may_not_be_wanted(
    stage: RecordStage, known: bool, workers: int | str, five: Manifest, tmp_path: Path, pool: Pool
) -> None:
    if known:
        Store(tmp_path / "out").close()
    pool.start_ahead([stage], [tmp_path / "in"], tmp_path / "out", workers)
    assert pool.idle_count == 0


def test_none_waits_beside_a_stage_that_is_not_spread(five: Manifest, tmp_path: Path, pool: Pool) -> None:
    pass_over(five, tmp_path, pool, Word())
    assert pool.idle_count == 1

    class Model(Word):
        resources = Resources(gpus=1)

    assert isinstance(choose(2, [Prepared(Model(), "")], 5, pool), InProcess)
    assert pool.idle_count == 0
