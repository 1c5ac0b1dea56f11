"""The example's prepared folder is the same from a Ray cluster, whatever is killed meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from curate import drive
from curate.pipeline import load
from tests.e2e.conftest import Start, start, tree
from tests.executors.cluster.conftest import Nodes, is_idle, until

__all__ = ["start"]

EXAMPLE = Path(__file__).parents[3] / "pipeline.example.yaml"
KILLS = ((5, 33), (16, 48))
"""After so many pictures of a run, counted over its stages, a node is killed; a run each."""


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a local run of the example prepares."""
    return prepared(tmp_path_factory.mktemp("local"))


def prepared(folder: Path, *settings: str) -> dict[str, bytes]:
    """What a run of the example in this process prepares in a folder."""
    drive.run(load(example(folder), settings, "export"), quiet=True)
    return tree(folder / "prepared")


def example(folder: Path) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def pictures_done(folder: Path) -> int:
    log = folder / "prepared/.curate/events.jsonl"
    return log.read_text(encoding="utf-8").count('"RecordDone"') if log.exists() else 0


def when(condition: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """Does something beside the test once a condition holds."""

    def wait() -> None:
        until(condition)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.parametrize("kills", [(), *KILLS])
def test_the_folder_is_the_local_runs_whichever_node_is_killed(
    kills: tuple[int, ...], expected: dict[str, bytes], tmp_path: Path, three: Nodes
) -> None:
    threads = [when(lambda at=at: pictures_done(tmp_path) >= at, three.kill) for at in kills]
    found = prepared(tmp_path, "run.executor=ray", f"run.address={three.address}")
    for thread in threads:
        thread.join()
    assert found == expected
    until(is_idle)


@pytest.mark.slow
def test_a_driver_that_is_stopped_and_killed_goes_on(
    expected: dict[str, bytes], tmp_path: Path, three: Nodes, start: Start
) -> None:
    options = ("--set", "run.executor=ray", "--set", f"run.address={three.address}", "--until", "export")
    codes = []
    for number, at in ((signal.SIGINT, 3), (signal.SIGKILL, 17)):
        process = start("run", example(tmp_path), *options, cwd=tmp_path, out=tmp_path / "said")
        (log := tmp_path / "prepared/.curate/events.jsonl").exists() and log.unlink()
        until(lambda at=at: pictures_done(tmp_path) >= at)
        process.send_signal(number)
        codes.append(process.wait())
        until(is_idle)
    assert codes == [130, -9]
    assert prepared(tmp_path, *options[1::2][:2]) == expected
