"""The example's prepared folder is the same from a Ray cluster, whatever is killed meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from curate import drive
from curate.pipeline import load
from curate.samples import folder as sample_folder
from tests.e2e.conftest import tree
from tests.executors.cluster.conftest import Nodes, is_idle, until

if TYPE_CHECKING:
    from tests.storage.server import S3

EXAMPLE = Path(__file__).parents[3] / "pipeline.example.yaml"
KILLS = (1, 12, 20, 30, 45), (6, 16, 25, 36, 50)
"""After so many pictures of a run, counted over its stages, a node is killed; a run each.

`convert` and `resize` make 28 together, the fingerprints of `dedupe` 14 more, and scoring in `tag` 13.
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a local run of the example prepares."""
    folder = tmp_path_factory.mktemp("local")
    run(folder)
    return tree(folder / "prepared")


def run(folder: Path, *settings: str) -> None:
    """Runs the example in this process, as far as a training."""
    drive.run(load(example(folder), settings, "export"), quiet=True)


def example(folder: Path) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def pictures_done(output: Path) -> int:
    """Pictures that left a stage in the last run; downloads are not counted."""
    log = output / ".curate/events.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return sum('"RecordDone"' in line and '"download"' not in line for line in lines)


def kill_at(moments: Sequence[int], output: Path, nodes: Nodes) -> threading.Thread:
    """Kills a node at each moment of a run, beside the test."""

    def kill() -> None:
        for at in moments:
            until(lambda at=at: pictures_done(output) >= at)
            nodes.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_driver_that_is_stopped_and_killed_goes_on(expected: dict[str, bytes], tmp_path: Path, nodes: Nodes) -> None:
    settings = "run.executor=ray", f"run.address={nodes.address}"
    options = [word for one in settings for word in ("--set", one)]
    command = [sys.executable, "-m", "curate.cli", "run", str(example(tmp_path)), *options, "--until", "export"]
    codes: list[int] = []
    for number, at in ((signal.SIGINT, 3), (signal.SIGKILL, 17)):
        (tmp_path / "prepared/.curate/events.jsonl").unlink(missing_ok=True)
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until(lambda at=at: pictures_done(tmp_path / "prepared") >= at)
        process.send_signal(number)
        codes.append(process.wait())
        until(is_idle)
    assert codes == [130, -9]
    run(tmp_path, *settings)
    assert tree(tmp_path / "prepared") == expected


@pytest.mark.slow
def test_from_folder_to_folder_whichever_node_is_killed(
    expected: dict[str, bytes], tmp_path: Path, nodes: Nodes
) -> None:
    nodes.grow_to(len(KILLS[0]))
    killing = kill_at(KILLS[0], tmp_path / "prepared", nodes)
    run(tmp_path, "run.executor=ray", f"run.address={nodes.address}")
    killing.join()
    assert tree(tmp_path / "prepared") == expected
    until(is_idle)


@pytest.mark.slow
def test_from_bucket_to_bucket_whichever_node_is_killed(
    expected: dict[str, bytes], tmp_path: Path, nodes: Nodes, s3: S3
) -> None:
    nodes.grow_to(len(KILLS[1]))
    s3.client.create_bucket(Bucket="target")
    s3.put("source", {f"raw/{name}": data for name, data in tree(sample_folder()).items()})
    killing = kill_at(KILLS[1], tmp_path / "work", nodes)
    places = "input=s3://source/raw", "output=s3://target/set", f"run.work={tmp_path / 'work'}"
    run(tmp_path, *places, "run.executor=ray", f"run.address={nodes.address}")
    killing.join()
    stored = s3.tree("target", "set/")
    assert {name: data for name, data in stored.items() if not name.startswith(".curate/")} == expected
    until(is_idle)
