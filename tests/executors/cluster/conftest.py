"""A Ray cluster on this machine, which all tests here share.

A node takes two seconds of processor time to start, a worker one. So nodes that a test killed are replaced only when
another test wants them, and tests come in the order of what they need: the last ones need none but the first node.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

if TYPE_CHECKING:
    from tests.storage.server import S3

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
FAR = "far"
# a node that was killed is known to be dead after a second instead of fifteen
HEALTH = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300, "health_check_timeout_ms": 5000}


class Nodes:
    """The cluster: nodes that can be killed and replaced."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        config = {**HEALTH, "health_check_failure_threshold": 3}
        services = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
        self._cluster: Any = Cluster(
            initialize_head=True, head_node_args={**NODE, **services, "_system_config": config}
        )
        self.others: list[Any] = []

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self) -> None:
        """One more."""
        self.grow_to(len(self.others) + 1)

    def grow_to(self, count: int) -> None:
        """Starts nodes until there are so many beside the first one, or more."""
        self.others += [self._cluster.add_node(wait=False, **NODE) for _ in range(count - len(self.others))]
        self._cluster.wait_for_nodes()

    def kill(self) -> None:
        """As if a machine were switched off."""
        self._cluster.remove_node(self.others.pop(), allow_graceful=False)

    def add_far(self, folder: Path) -> subprocess.Popen[bytes]:
        """A node that does not see the folder, in a mount namespace of its own."""
        start = f"exec ray start --address={self.address} --num-cpus=1 --object-store-memory=80000000 --block"
        script = f"mount -t tmpfs none '{folder}' && {start} --resources='{{\"{FAR}\": 1}}'"
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command, quiet = ["unshare", "--mount", "sh", "-c", script], subprocess.DEVNULL
        return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)

    def end(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="package")
def cluster() -> Iterator[Nodes]:
    """The cluster, which this process has joined."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'curate[ray]'")
    with ray_variables():
        nodes = Nodes()
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        yield nodes
        ray.shutdown()
        nodes.end()


@contextlib.contextmanager
def ray_variables() -> Generator[None]:
    """Ray reports its use to nobody, and changes no variables of GPUs. Its workers do not wait for other tests."""
    names = ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "RAY_worker_niceness")
    wanted = dict.fromkeys(names, "0")
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@pytest.fixture
def nodes(cluster: Nodes) -> Nodes:
    """The cluster with two nodes beside the first one, or more; a test may kill and add some."""
    cluster.grow_to(2)
    return cluster


@pytest.fixture(scope="package")
def s3() -> Iterator[S3]:
    """An S3 server that this process, and what it starts from now on, asks."""
    pytest.importorskip("moto", reason="moto is not installed")
    from tests.storage.server import S3, serve

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # it hands out what it made for another server
    server = S3()
    stop = serve(server)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server
    stop()


def until(condition: Callable[[], bool], seconds: float = 600) -> None:
    """Waits; so long that only what hangs fails."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not so after {seconds} s"
        time.sleep(0.02)


def is_idle() -> bool:
    """Whether no actor holds anything."""
    import ray

    return bool(ray.available_resources().get("CPU", 0) == ray.cluster_resources().get("CPU", 0))
