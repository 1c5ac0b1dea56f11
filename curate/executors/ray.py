"""Ray executor: a pass spread over the machines of a Ray cluster, an actor for each opened chain.

Ray starts, places and ends the actors and moves what they are given. This module asks for one more as long as there is
work, so that a pass fills the cluster, and what joins it later. An actor that is lost is not restarted but replaced:
what it had in hand is tried again piece by piece, which tells a picture that kills its worker from its neighbours.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from curate.core.chain import Outcome, Prepared, Work
from curate.core.executor import Choose
from curate.core.stage import Env
from curate.errors import MissingError, library_reason
from curate.executors.local import InProcess
from curate.executors.ray_actors import ActorPool
from curate.executors.ray_address import AUTO, LOCAL, check_cluster, remedy, resolve
from curate.executors.ray_pending import PendingWork


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
    if ray.is_initialized():  # whoever joined it leaves it
        yield lambda chain, todo: choose(workers, chain, todo)
        return
    with messages_hidden():
        with _signal_handlers_kept():
            _join(ray, address)
        try:
            yield lambda chain, todo: choose(workers, chain, todo)
        finally:
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
    address = resolve(address)
    start = {"include_dashboard": False} if address == LOCAL else {}
    if address not in (AUTO, LOCAL):
        check_cluster(address)
    try:
        # what workers warn of comes with their results
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **start)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        message = f"cannot join the Ray cluster at address {address}: {library_reason(error)}"
        raise MissingError(message, remedy(address, error)) from error


@contextlib.contextmanager
def messages_hidden() -> Generator[None]:
    """Keeps Ray from printing to stdout, where --json goes, that workers died: what becomes of their work is told."""
    worker: Any = importlib.import_module("ray._private.worker")
    before = getattr(worker, "print_to_stdstream", None)
    worker.print_to_stdstream = _ignore  # Ray has no setting for it
    try:
        yield
    finally:
        worker.print_to_stdstream = before


def _ignore(*_: object, **__: object) -> None:
    """Prints nothing."""


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
