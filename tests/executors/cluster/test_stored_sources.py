"""An input in a store, on a node that does not see the driver's disk: it asks the store itself."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

from curate import drive
from curate.pipeline import load
from tests.executors.cluster.conftest import FAR, Nodes, until
from tests.executors.cluster.stages import Busy

pytest.importorskip("moto", reason="moto is not installed")


@pytest.mark.slow
def test_a_far_node_reads_from_the_store(tmp_path: Path, three: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("unshare") or os.geteuid() != 0:
        pytest.skip("a node with a disk of its own needs unshare, and root")
    import ray

    from tests.storage.conftest import pictures, tree, write_files, write_pipeline
    from tests.storage.server import S3, serve

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    s3, stages = S3(), "\n  - convert\n  - trigger\n  - export\n"
    stop = serve(s3)
    s3.put("source", {f"raw/{name}": data for name, data in pictures().items()})
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    write_files(tmp_path / "local/raw", pictures())
    drive.run(load(write_pipeline(tmp_path / "local", "raw", "prepared", stages=stages)), quiet=True)
    while three.others:
        three.kill()
    far = three.add_far(tmp_path)
    busy = ray.remote(Busy).options(num_cpus=1).remote()
    try:
        until(lambda: ray.available_resources().get("CPU", 0) == ray.cluster_resources().get(FAR, 0) == 1)
        s3.requests.clear()
        file = write_pipeline(tmp_path, "s3://source/raw", "prepared", stages=stages)
        drive.run(load(file, ["run.executor=ray", f"run.address={three.address}"]), quiet=True)
        assert tree(tmp_path / "prepared") == tree(tmp_path / "local/prepared")
        assert sorted(s3.asked("GET")).count("/source/raw/dog/a.png") == 2
        assert s3.asked("GET").count("/source/raw/dog/a.txt") == 1
    finally:
        ray.kill(busy)
        far.terminate()
        far.wait()
        until(lambda: FAR not in ray.cluster_resources())
        stop()
