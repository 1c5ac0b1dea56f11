"""Executors: in this process and over spawned ones alike; a picture that kills its worker is one failure."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from curate.core.chain import Prepared
from curate.core.record import Manifest, Record
from curate.core.stage import Env
from curate.errors import Interrupted, MissingError
from curate.executors.local import InProcess, Processes, choose
from tests.core.helpers import Bench, RawPictures, pictures
from tests.core.stages import Brighter, Dying, Fussy, Halves, Missing, Word


@pytest.fixture
def five(tmp_path: Path) -> Manifest:
    return pictures(tmp_path / "in", 5)


def test_processes_agree_with_one_process(tmp_path: Path, five: Manifest) -> None:
    stages = [Fussy(on="p3"), Halves(), Brighter(by=2)]
    alone, spread = Bench(tmp_path / "alone"), Bench(tmp_path / "spread", processes=2)
    assert list(spread.run(stages, five)) == list(alone.run(stages, five))
    assert spread.objects() == alone.objects() != {}


def test_what_kills_its_worker_is_set_aside_alone(tmp_path: Path, five: Manifest) -> None:
    bench = Bench(tmp_path / "out", processes=2)
    after = bench.run([Dying()], five)
    assert [r.tags[-1] for r in after if not r.aside] == ["x"] * 4
    assert [(r.key, "died on this picture" in r.aside) for r in after if r.aside] == [("dog/1.raw", True)]


def test_what_the_machine_lacks_comes_out_of_a_worker(tmp_path: Path, five: Manifest) -> None:
    with pytest.raises(MissingError) as lacking:
        Bench(tmp_path / "out", processes=2).run([Missing()], five)
    assert (lacking.value.message, lacking.value.remedy) == ("no model here", "get one")


class Warning(Word):
    """Logs as a tagger does."""

    def one(self, record: Record, env: Env) -> list[Record]:
        logging.getLogger("taggers").warning("slow on %s device", 1)
        return super().one(record, env)


def test_warnings_of_workers_are_told_once(
    tmp_path: Path, five: Manifest, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING, "taggers"):
        Bench(tmp_path / "out", processes=2).run([Warning()], five)
    assert [r.getMessage() for r in caplog.records if r.name == "taggers"] == ["slow on 1 device"]
    assert "slow on" not in capfd.readouterr().err


class Panic(BaseException):
    """What libraries in Rust raise is no `Exception` either."""


class Panicking(Word):
    """Panics on each picture."""

    def one(self, record: Record, env: Env) -> list[Record]:
        raise Panic("index out of bounds")


def test_a_panic_in_a_worker_ends_the_run(tmp_path: Path, five: Manifest) -> None:
    with pytest.raises(RuntimeError, match="Panic: index out of bounds"):
        Bench(tmp_path / "out", processes=2).run([Panicking()], five)


def test_a_worker_with_much_to_say_does_not_keep_a_driver_that_gives_up(tmp_path: Path) -> None:
    env = Env(root=tmp_path, output=tmp_path, pictures=RawPictures())
    work = enumerate(pictures(tmp_path / "in", 30))
    outcomes = Processes(2).map([Prepared(Word(word="x" * 100_000), "")], work, env)
    assert isinstance(outcomes, Generator) and next(outcomes)
    time.sleep(0.2)  # the pipe fills
    outcomes.close()


def test_a_stop_lets_the_pictures_in_hand_finish(tmp_path: Path) -> None:
    many = pictures(tmp_path / "in", 30)
    bench = Bench(tmp_path / "out", processes=2)
    done = 0

    def stop() -> bool:
        return sum(type(e).__name__ == "RecordDone" for e in bench.events) >= 3

    bench.stop = stop
    with pytest.raises(Interrupted):
        bench.run([Word()], many)
    done = sum(type(e).__name__ == "RecordDone" for e in bench.events)
    assert 3 <= done < 30
    bench.stop, bench.processes = None, 0
    bench.run([Word()], many)
    assert bench.started() == {"word": 30 - done}


@pytest.mark.parametrize(
    ("workers", "todo", "expected"),
    [(1, 1000, InProcess), ("auto", 1, InProcess), (4, 1, InProcess), (4, 100, Processes)],
)
def test_processes_are_chosen_where_there_is_enough_work(
    workers: int | str, todo: int, expected: type, tmp_path: Path
) -> None:
    from curate.core.chain import Prepared

    assert isinstance(choose(workers, [Prepared(Word(), "")], todo), expected)
