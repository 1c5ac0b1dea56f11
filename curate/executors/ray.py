"""Ray executor: a pass spread over the machines of a Ray cluster, an actor for each opened chain.

Ray starts, places and ends the actors and moves what they are given. This module asks for one more as long as there is
work, so that a pass fills the cluster, and what joins it later. An actor that is lost is not restarted but replaced:
what it had in hand is tried again piece by piece, which tells a picture that kills its worker from its neighbours.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from curate.core.chain import Outcome, Prepared, Work
from curate.core.executor import Choose
from curate.core.stage import Env
from curate.errors import MissingError, library_reason
from curate.executors.local import InProcess
from curate.executors.ray_actors import ActorPool
from curate.executors.ray_pending import PendingWork

AUTO, LOCAL = "auto", "local"
"""Addresses: the cluster that this machine belongs to, and one that is started on it for this run."""
_SECONDS = 5
"""How long an address may take to answer."""
_SETTINGS = b"\x04"
"""The type of the frame that both sides of HTTP/2 begin with (RFC 9113, sections 3.4 and 6.5)."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + _SETTINGS + bytes(5)


class RayExecutor:
    """Applies a chain in actors, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self.most = most

    def map(self, chain: Sequence[Prepared], work: Iterable[Work], env: Env) -> Iterator[Outcome]:
        """Yields outcomes as they come; ends early, with what workers are busy with done, once `env` says stop."""
        pending = PendingWork(work, max(p.stage.requirements().batch for p in chain))
        with ActorPool(chain, env, self.most) as actors:
            while True:
                if env.stopping():
                    actors.recall()
                else:
                    actors.hand_out(pending)
                if not actors.is_busy and (env.stopping() or not pending.has_more):
                    return
                yield from actors.outcomes(pending)


def choose(workers: int | str, chain: Sequence[Prepared], todo: int) -> InProcess | RayExecutor:
    """Actors where the stage asks for cores; what takes microseconds is done in this process."""
    if not any(p.stage.requirements().cpus for p in chain):
        return InProcess()
    batches = -(-todo // max(p.stage.requirements().batch for p in chain))
    return RayExecutor(batches if workers == "auto" else min(batches, int(workers)))


@contextlib.contextmanager
def ray_cluster(workers: int | str, address: str) -> Generator[Choose]:
    """Joins the cluster, and leaves it in the end; yields what picks the executor.

    Raises MissingError where Ray is not installed, or no cluster is there.
    """
    ray = _ray()
    joined = ray.is_initialized()
    if not joined:
        with _signal_handlers_kept():
            _join(ray, address)
    try:
        yield lambda chain, todo: choose(workers, chain, todo)
    finally:
        if not joined:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingError(f"executor ray: Ray does not load ({error})", "pip install 'curate[ray]'") from error
    return ray


def _join(ray: Any, address: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that we start calls nobody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    start = {"include_dashboard": False} if address == LOCAL else {}
    remedy = "start one with `ray start --head`, or use run.address=local, which starts one on this machine for the run"
    if address not in (AUTO, LOCAL):
        remedy = "give the address that `ray start --head` printed on its first machine, HOST:6379 as a rule"
        _check_answers(address, remedy)
    if address != LOCAL and "RAY_AUTH_MODE" not in os.environ:
        remedy += "; if the cluster asks for a token, set RAY_AUTH_MODE=token"
    try:
        # what workers warn of comes with their results
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **start)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = library_reason(error)
        raise MissingError(f"cannot join the Ray cluster at address {address}: {reason}", remedy) from error


def _check_answers(address: str, remedy: str) -> None:
    """Asks the address for what begins a talk by gRPC; Ray would wait minutes for a server that speaks otherwise."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _SECONDS) as connection:
            connection.sendall(_PREFACE)
            begin = connection.recv(9)
    except (OSError, ValueError, OverflowError) as error:
        raise MissingError(f"no Ray cluster answers at address {address}: {error}", remedy) from error
    if begin[3:4] != _SETTINGS:
        raise MissingError(f"what answers at address {address} is no Ray cluster", remedy)


@contextlib.contextmanager
def _signal_handlers_kept() -> Generator[None]:
    """Ray puts its own handler of SIGTERM in the place of ours."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
