"""A Ray cluster of three nodes on this machine, which all tests here share; each test leaves it as it was."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
# a node that was killed is known to be dead after three seconds instead of fifteen
FAR = "far"
HEALTH = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_timeout_ms": 5000}


class Nodes:
    """The cluster: nodes that can be killed and replaced."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {**NODE, "include_dashboard": False, "_system_config": {**HEALTH, "health_check_failure_threshold": 3}}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        self.others: list[Any] = [self._cluster.add_node(wait=False, **NODE) for _ in range(2)]
        self._cluster.wait_for_nodes()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add(self) -> None:
        self.others.append(self._cluster.add_node(**NODE))

    def complete(self) -> None:
        """Replaces those that were killed."""
        self.others += [self._cluster.add_node(wait=False, **NODE) for _ in range(2 - len(self.others))]
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
    with no_reports():
        nodes = Nodes()
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        yield nodes
        ray.shutdown()
        nodes.end()


@contextlib.contextmanager
def no_reports() -> Generator[None]:
    """Ray reports its use to nobody, and changes no variables of GPUs."""
    wanted = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
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
def three(cluster: Nodes) -> Iterator[Nodes]:
    """The cluster, for tests that kill and add nodes."""
    yield cluster
    cluster.complete()
    while len(cluster.others) > 2:
        cluster.kill()


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
