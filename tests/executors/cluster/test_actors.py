"""The Ray executor does what the local ones do, whatever becomes of workers and nodes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.core.chain import Prepared
from curate.core.record import Manifest, Record
from curate.core.stage import Env
from curate.errors import CurateError, Interrupted, MissingError
from curate.executors.local import InProcess
from tests.contract.pictures import drawn_rows, everything
from tests.core.helpers import Bench, RawPictures, pictures
from tests.core.stages import Batched, Brighter, Crashing, Fussy, Halves, Missing, Where
from tests.executors.cluster.conftest import Nodes, is_idle, until
from tests.executors.cluster.stages import Deadly, Large, Plain, Slow, Warning

pytestmark = pytest.mark.usefixtures("nodes")


def executor(most: int = 2):  # type: ignore[no-untyped-def]
    from curate.executors.ray import RayExecutor

    return RayExecutor(most)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "out", executor=executor())


def test_executors_agree(tmp_path: Path) -> None:
    rows = drawn_rows(tmp_path)
    assert everything(executor(), rows, tmp_path / "ray") == everything(InProcess(), rows, tmp_path / "local")
    until(is_idle)


def test_parts_failures_and_batches_are_as_in_one_process(tmp_path: Path, bench: Bench) -> None:
    nine = pictures(tmp_path / "in", 9)
    stages = [Fussy(on="p3"), Halves(), Brighter(by=2), Crashing(on="p5"), Batched(on="p7")]
    alone = Bench(tmp_path / "alone")
    assert list(bench.run(stages, nine)) == list(alone.run(stages, nine))
    assert bench.objects() == alone.objects() != {}


def test_what_kills_its_worker_three_times_is_set_aside_alone(tmp_path: Path, bench: Bench) -> None:
    log, bench.executor = tmp_path / "log", executor(1)
    after = bench.run([Deadly(log=str(log))], pictures(tmp_path / "in", 6))
    assert [r.tags[-1] for r in after if not r.aside] == ["x"] * 5
    assert [(r.key, "died on this picture 3 times" in r.aside) for r in after if r.aside] == [("dog/1.raw", True)]
    assert log.read_text().splitlines() == ["dog/1.raw"] * 3
    bench.run([Deadly(log=str(log), on="")], Manifest(r for r in pictures(tmp_path / "in", 6)))
    assert bench.started() == {"deadly": 6}


def test_what_a_node_lacks_comes_out_of_a_worker(tmp_path: Path, bench: Bench) -> None:
    with pytest.raises(MissingError) as lacking:
        bench.run([Missing()], pictures(tmp_path / "in", 5))
    assert (lacking.value.message, lacking.value.remedy) == ("no model here", "get one")
    until(is_idle)


def test_workers_that_die_while_they_start_end_the_run(tmp_path: Path, bench: Bench) -> None:
    with pytest.raises(CurateError, match="workers end while they start"):
        bench.run([Deadly(on="open")], pictures(tmp_path / "in", 3))


def test_a_stop_lets_the_pictures_in_hand_finish(tmp_path: Path, bench: Bench) -> None:
    many = pictures(tmp_path / "in", 30)
    bench.stop = lambda: sum(type(e).__name__ == "RecordDone" for e in bench.events) >= 3
    with pytest.raises(Interrupted):
        bench.run([Slow(seconds=0.05)], many)
    done = sum(type(e).__name__ == "RecordDone" for e in bench.events)
    assert 3 <= done < 12
    until(is_idle)
    bench.stop = None
    bench.run([Slow(seconds=0.05)], many)
    assert bench.started() == {"slow": 30 - done}


def test_an_interrupt_leaves_no_actor(tmp_path: Path) -> None:
    env = Env(root=tmp_path, output=tmp_path, pictures=RawPictures())
    outcomes = executor().map([Prepared(Slow(), "")], list(enumerate(pictures(tmp_path / "in", 30))), env)
    next(outcomes)
    assert not is_idle()
    outcomes.close()  # type: ignore[attr-defined]
    until(is_idle)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".curate")] == []


def test_what_a_worker_gives_back_unbegun_is_done_once(tmp_path: Path) -> None:
    """A call carries what took so long before; these take longer."""
    env = Env(root=tmp_path, output=tmp_path, pictures=RawPictures())
    chain = [Prepared(Slow(seconds=0.001, then=0.3, at=40), "")]
    assert sorted(o.index for o in executor(2).map(chain, work(tmp_path, 46), env)) == list(range(46))


def work(folder: Path, count: int):  # type: ignore[no-untyped-def]
    return list(enumerate(pictures(folder / "in", count)))


def test_no_more_workers_than_asked_for(tmp_path: Path) -> None:
    from curate.executors.ray import RayExecutor, choose

    env = Env(root=tmp_path, output=tmp_path, pictures=RawPictures())
    chain = [Prepared(Where(), "")]
    chosen = choose(2, chain, 12)
    assert isinstance(chosen, RayExecutor)
    assert len({o.steps[-1][0].tags[0] for o in chosen.map(chain, work(tmp_path, 12), env)}) <= 2
    assert isinstance(choose("auto", [Prepared(Plain(), "")], 1000), InProcess)


def test_a_worker_waits_for_the_memory_that_it_needs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from curate.executors import ray_actors, ray_resources

    monkeypatch.setattr(ray_actors, "_PATIENCE", 0.2)
    (tmp_path / "model").write_bytes(bytes(1000))
    chain = [Prepared(Large(model=str(tmp_path / "model")), "")]
    env = Env(tmp_path, tmp_path, RawPictures(), stop=lambda: "still waiting" in caplog.text)
    assert ray_resources.needs(chain, env).memory == Large.resources.memory + 1000
    assert list(executor().map(chain, work(tmp_path, 1), env)) == []
    asked, free = "needs 1 CPU, 0 GPU and 9000.0 GB of memory on one node", r"[1-3], 0 and [1-9]\d*\.\d GB"
    assert re.search(f"{asked}; free when it was asked for: {free}", caplog.text)
    until(is_idle)


def test_warnings_of_workers_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    env = Env(root=tmp_path, output=tmp_path, pictures=RawPictures())
    with caplog.at_level(logging.WARNING, "taggers"):
        assert len(list(executor().map([Prepared(Warning(), "")], work(tmp_path, 6), env))) == 6
    assert [r.getMessage() for r in caplog.records if r.name == "taggers"] == ["slow on 1 device"]


def test_a_node_that_joins_is_used(tmp_path: Path, nodes: Nodes) -> None:
    env = Env(root=tmp_path, output=tmp_path, pictures=RawPictures())
    where: set[str] = set()
    some = pictures(tmp_path / "in", 200)

    def until_four() -> Iterator[tuple[int, Record]]:
        for n in range(20_000):
            if len(where) == 4:
                return
            yield n, some[n % 200]

    for n, outcome in enumerate(executor(60).map([Prepared(Slow(where=True), "")], until_four(), env)):
        where.add(outcome.steps[-1][0].tags[-1])
        if n == 5:
            nodes.add()
    assert len(where) == 4
