"""Ray worker: what an actor of the Ray executor does on its node, one opened chain each."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import pickle
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from logging.handlers import QueueHandler
from pathlib import Path
from queue import SimpleQueue

from curate.core.chain import Applied, Outcome, Prepared, Work, open_chain
from curate.core.stage import Env
from curate.errors import CurateError, MissingError, unloadable
from curate.executors.ray_files import Mirror
from curate.executors.worker_process import sendable

LOGGERS = ("taggers", "cleaners")
"""Loggers whose warnings travel to the driver."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a pass opens; pickled once.

    `probe` is the name of a file in the driver's ledger folder: a node that sees it shares the driver's disk.
    """

    chain: tuple[Prepared, ...]
    env: Env
    probe: str
    cpus: int
    gpus: int
    host: str


def installed_version() -> str:
    """The version of curate."""
    return importlib.metadata.version("curate")


def node_id() -> str:
    """Ray's name of this node."""
    import ray

    return ray.get_runtime_context().get_node_id()


@dataclass(frozen=True, slots=True)
class Parcel:
    """Work for one call, and the bytes of its files where the node does not see them, by the paths in the records.

    With `fetches` source pictures that are in a store are not among them.
    """

    work: tuple[Work, ...]
    following: tuple[Work, ...] = ()
    files: dict[str, bytes] | None = None
    fetches: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call came to.

    `unseen` are the places of records whose picture this node does not see. `files` are those to be written to the
    ledger folder. An `error` concerns the whole run.
    """

    outcomes: Sequence[Outcome] = ()
    unseen: Sequence[int] = ()
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    logs: Sequence[logging.LogRecord] = ()
    error: Exception | None = None
    node: str = ""
    shares_disk: bool = True


class RayWorker:
    """Opens a chain and applies it, call by call. Ray makes an actor of it."""

    def __init__(self) -> None:
        # what comes in later calls may load OpenCV, which reads this once
        os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
        self._stack = contextlib.ExitStack()
        self._mirror: Mirror
        self._apply: Applied
        self._host = ""
        self._logs: SimpleQueue[logging.LogRecord] = SimpleQueue()
        handler = QueueHandler(self._logs)
        handler.setLevel(logging.WARNING)
        for name in LOGGERS:
            logging.getLogger(name).addHandler(handler)

    def open(self, pickled: bytes, version: str) -> Reply:
        """Opens the chain; `version` is the driver's."""
        node = node_id()
        try:
            if version != (own := installed_version()):
                raise MissingError(f"{socket.gethostname()} has curate {own}, not {version}", "install the same there")
            job: Job = pickle.loads(pickled)
            os.environ["ONNX_THREADS"] = str(job.cpus)
            if not job.gpus:
                os.environ["CUDA_VISIBLE_DEVICES"] = ""
            shares = (job.env.root / job.probe).is_file()
            self._host = "" if socket.gethostname() == job.host else socket.gethostname()
            place = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            self._mirror = Mirror(place, job.env, shares)
            self._apply = self._stack.enter_context(open_chain(job.chain, self._mirror.env))
            return Reply(logs=self._taken_logs(), node=node, shares_disk=shares)
        except Exception as error:
            return self._failure(error)

    def apply(self, parcel: Parcel) -> Reply:
        """Applies the chain to what the node sees of the work."""
        try:
            if parcel.files is not None:
                return self._apply_unpacked(parcel.work, parcel.files, parcel.fetches)
            seen, unseen = self._mirror.visible(parcel.work)
            outcomes = self._apply(seen, self._mirror.visible(parcel.following)[0]) if seen else []
            return Reply(outcomes, unseen, logs=self._taken_logs())
        except Exception as error:
            return self._failure(error)

    def _apply_unpacked(self, work: Sequence[Work], files: dict[str, bytes], fetches: bool) -> Reply:
        with self._mirror.unpacked(work, files, fetches) as (unpacked, unseen):
            outcomes = [self._mirror.restored(one) for one in self._apply(unpacked)] if unpacked else []
            return Reply(outcomes, unseen, self._mirror.made(), self._taken_logs())

    def _failure(self, error: Exception) -> Reply:
        if isinstance(error, ImportError):
            error = unloadable(error)
        if isinstance(error, CurateError) and self._host:
            error = type(error)(f"{error.message} (on {self._host})", error.remedy)
        return Reply(error=sendable(error), logs=self._taken_logs())

    def close(self) -> None:
        """Releases what the chain holds."""
        self._stack.close()

    def _taken_logs(self) -> list[logging.LogRecord]:
        return [self._logs.get() for _ in range(self._logs.qsize())]
