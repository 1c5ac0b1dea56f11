"""Ray worker: what an actor of the Ray executor does on its node, one opened chain each."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import logging
import os
import pickle
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curate.core.chain import Applied, Outcome, Prepared, Work, open_chain
from curate.core.stage import Env
from curate.errors import CurateError, MissingError, unloadable
from curate.executors.ray_call_size import LONGEST
from curate.executors.ray_files import Mirror
from curate.executors.worker_logs import WorkerLogs
from curate.executors.worker_process import sendable


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

    `unseen` are the places of records whose picture this node does not see, `unbegun` those that there was no time for.
    `files` are those to be written to the ledger folder. An `error` concerns the whole run.
    """

    outcomes: Sequence[Outcome] = ()
    unseen: Sequence[int] = ()
    unbegun: Sequence[int] = ()
    seconds: float = 0.0
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
        self._takes_batches = False
        self._host = ""
        self._logs = WorkerLogs()

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
            mirror = Mirror(place, job.env, shares)
            self.opened(job.chain, self._stack.enter_context(open_chain(job.chain, mirror.env)), mirror)
            return Reply(logs=self._logs.take(), node=node, shares_disk=shares)
        except Exception as error:
            return self._failure(error)

    def opened(self, chain: Sequence[Prepared], apply: Applied, mirror: Mirror) -> None:
        """Takes the opened chain."""
        self._takes_batches = any(p.stage.requirements().batch > 1 for p in chain)
        self._apply, self._mirror = apply, mirror

    def apply(self, parcel: Parcel) -> Reply:
        """Applies the chain to what the node sees of the work."""
        begun = time.monotonic()
        try:
            reply = self._apply_here(parcel) if parcel.files is None else self._apply_unpacked(parcel, parcel.files)
        except Exception as error:
            self._mirror.discard_new_files()
            return self._failure(error)
        done = {*reply.unseen, *(outcome.index for outcome in reply.outcomes)}
        unbegun = [index for index, _ in parcel.work if index not in done]
        seconds = time.monotonic() - begun
        return dataclasses.replace(reply, unbegun=unbegun, seconds=seconds, logs=self._logs.take())

    def _apply_here(self, parcel: Parcel) -> Reply:
        seen, unseen = self._mirror.visible(parcel.work)
        return Reply(self._outcomes(seen, self._mirror.visible(parcel.following)[0]), unseen)

    def _apply_unpacked(self, parcel: Parcel, files: dict[str, bytes]) -> Reply:
        with self._mirror.unpacked(parcel.work, files, parcel.fetches) as (unpacked, unseen):
            outcomes = [self._mirror.restored(one) for one in self._outcomes(unpacked)]
            return Reply(outcomes, unseen, files=self._mirror.made())

    def _outcomes(self, work: Sequence[Work], following: Sequence[Work] = ()) -> list[Outcome]:
        """Of all the work in one go where a stage takes batches; else one by one, as far as the time goes.

        The files that they name are on the disk.
        """
        outcomes: list[Outcome] = []
        end = time.monotonic() + LONGEST
        if self._takes_batches:
            outcomes = self._apply(work, following) if work else []
        else:
            for one in work:
                outcomes += self._apply([one])
                if time.monotonic() > end:
                    break
        self._mirror.keep_new_files()
        return outcomes

    def _failure(self, error: Exception) -> Reply:
        if isinstance(error, ImportError):
            error = unloadable(error)
        if isinstance(error, CurateError) and self._host:
            error = type(error)(f"{error.message} (on {self._host})", error.remedy)
        return Reply(error=sendable(error), logs=self._logs.take())

    def close(self) -> None:
        """Releases what the chain holds."""
        self._stack.close()
