"""A node that does not see the driver's disk: pictures travel to it, or it asks the store where they come from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from curate import drive
from curate.pipeline import load
from tests.core.helpers import Bench, pictures
from tests.core.stages import Brighter, Fussy, Halves
from tests.executors.cluster.conftest import FAR, Nodes, until
from tests.executors.cluster.stages import Busy

if TYPE_CHECKING:
    from tests.storage.server import S3


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory, cluster: Nodes, s3: S3) -> Iterator[Path]:
    """A folder that the only node with a free core does not see; that node knows of the store."""
    if not shutil.which("unshare") or os.geteuid() != 0:
        pytest.skip("a node with a disk of its own needs unshare, and root")
    import ray

    folder = tmp_path_factory.mktemp("hidden")
    while cluster.others:
        cluster.kill()
    far = cluster.add_far(folder)
    busy = ray.remote(Busy).options(num_cpus=1).remote()
    until(lambda: ray.available_resources().get("CPU", 0) == ray.cluster_resources().get(FAR, 0) == 1)
    yield folder
    ray.kill(busy)
    far.terminate()
    far.wait()


def test_pictures_travel_there_and_back(hidden: Path) -> None:
    from curate.executors.ray import RayExecutor

    folder = hidden / "travel"
    five = pictures(folder / "in", 5)
    bench, alone = Bench(folder / "out", executor=RayExecutor(9)), Bench(folder / "alone")
    stages = [Fussy(on="p3"), Halves(), Brighter(by=2)]
    assert list(bench.run(stages, five)) == list(alone.run(stages, five))
    assert bench.objects() == alone.objects() != {}


def test_it_reads_from_the_store(hidden: Path, cluster: Nodes, s3: S3) -> None:
    from tests.storage.conftest import pictures, tree, write_files, write_pipeline

    place, stages = hidden / "store", "\n  - convert\n  - trigger\n  - export\n"
    s3.put("pictures", {f"raw/{name}": data for name, data in pictures().items()})
    write_files(place / "local/raw", pictures())
    drive.run(load(write_pipeline(place / "local", "raw", "prepared", stages=stages)), quiet=True)
    s3.requests.clear()
    file = write_pipeline(place, "s3://pictures/raw", "prepared", stages=stages)
    drive.run(load(file, ["run.executor=ray", f"run.address={cluster.address}"]), quiet=True)
    assert tree(place / "prepared") == tree(place / "local/prepared")
    assert sorted(s3.asked("GET")).count("/pictures/raw/dog/a.png") == 2
    assert s3.asked("GET").count("/pictures/raw/dog/a.txt") == 1
