"""Ray actors: the actors of one pass, as the driver sees them."""

from __future__ import annotations

import logging
import pickle
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import ray
import ray.exceptions

from curate.core.chain import Outcome, Prepared, Work
from curate.core.stage import Env
from curate.errors import CurateError, MissingError
from curate.executors.ray_address import remedy_for_workers
from curate.executors.ray_call_size import CallSize
from curate.executors.ray_files import read_files, write_files
from curate.executors.ray_pending import PendingWork
from curate.executors.ray_resources import needs, options, room, shortage
from curate.executors.ray_worker import Job, Parcel, RayWorker, Reply, installed_version
from curate.executors.worker_logs import DriverLogs

LOG = logging.getLogger("curate.executors")
_OPENINGS = 3
"""Workers in a row that may be lost while they open the chain."""
_POLL = 0.2
"""Seconds after which a stop is asked for again."""
_PATIENCE = 10
"""Seconds without a worker after which the user is told what is waited for."""
_CLOSING = 10
"""Seconds that workers get to release what they hold."""


@dataclass(eq=False)
class _Actor:
    """An actor, and what it has in hand: the first call is being worked on, a second one waits."""

    handle: Any
    opening: Any
    node: str = ""
    shares_disk: bool = True
    in_hand: dict[Any, tuple[Work, ...]] = field(default_factory=dict[Any, tuple[Work, ...]])
    following: list[Work] = field(default_factory=list[Work])
    alone: bool = False


class ActorPool:
    """Asks Ray for actors, hands work out and takes results in."""

    def __init__(self, chain: Sequence[Prepared], env: Env, most: int) -> None:
        self._env, self._most = env, most
        self._needs = needs(chain, env)
        self._reads_ahead = any(p.stage.requirements().batch > 1 for p in chain)
        self._call_size = CallSize()
        self._probe = env.root / f".curate-{secrets.token_hex(8)}"
        job = Job(tuple(chain), env, self._probe.name, self._needs.cpus, self._needs.gpus, socket.gethostname())
        self._job: Any = ray.put(pickle.dumps(job))
        remote: Any = ray.remote(RayWorker)
        self._remote = remote.options(**options(self._needs))
        self._actors: list[_Actor] = []
        self._closing: dict[Any, Any] = {}
        self._lost_openings = 0
        self._logs = DriverLogs()
        self._waiting_since: float | None = time.monotonic()
        self._shortage = ""

    def __enter__(self) -> Self:
        self._env.root.mkdir(parents=True, exist_ok=True)
        self._probe.touch()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Ends all actors: at once where something went wrong, else when they have released what they hold."""
        self._probe.unlink(missing_ok=True)
        if not ray.is_initialized():
            return
        if kind is None:
            for actor in [a for a in self._actors if a.node]:
                self._dismiss(actor)
            self._end_closed(_CLOSING)
        for handle in [*self._closing.values(), *(a.handle for a in self._actors)]:
            ray.kill(handle)

    @property
    def is_busy(self) -> bool:
        """Whether an actor has work in hand."""
        return any(actor.in_hand for actor in self._actors)

    def hand_out(self, pending: PendingWork) -> None:
        """Gives actors what they have room for; asks for more actors, or dismisses those that nothing is left for."""
        for actor in [a for a in self._actors if a.node]:
            while batch := self._next(actor, pending):
                self._submit(actor, batch, pending)
        if pending.has_more:
            self._ask_for_actors()
            return
        for actor in [a for a in self._actors if not (a.in_hand or a.following)]:
            self._dismiss(actor)

    def recall(self) -> None:
        """Takes back what waits behind the work that actors are busy with."""
        for actor in self._actors:
            actor.following.clear()
            for ref in list(actor.in_hand)[1:]:
                ray.cancel(ref)

    def outcomes(self, pending: PendingWork) -> Iterator[Outcome]:
        """What has come in, waiting a moment for it."""
        coming = {ref: a for a in self._actors for ref in (a.in_hand if a.node else [a.opening])}
        ready, _ = ray.wait(list(coming), num_returns=1, timeout=_POLL)
        if ready:
            ready, _ = ray.wait(list(coming), num_returns=len(coming), timeout=0)
        for ref in ready:
            if coming[ref] in self._actors:
                yield from self._result(coming[ref], ref, pending)
        self._end_closed(0)
        self._tell_of_waiting()

    def _next(self, actor: _Actor, pending: PendingWork) -> list[Work]:
        """What the actor does next; empty where it has enough."""
        if not actor.in_hand and (suspect := pending.next_suspect()):
            actor.alone = True
            return suspect
        if len(actor.in_hand) >= (1 if self._reads_ahead or actor.alone else 2):
            return []
        actor.alone = False
        batch, actor.following = actor.following or pending.next_batch(), []
        return batch

    def _submit(self, actor: _Actor, batch: list[Work], pending: PendingWork) -> None:
        files, unseen = None, any(index in pending.unseen for index, _ in batch)
        if not actor.shares_disk or unseen:
            files = read_files(batch, self._env.root, None if unseen else self._env.sources)
        elif self._reads_ahead and not actor.alone:
            actor.following = pending.next_batch()
        parcel = Parcel(tuple(batch), tuple(actor.following), files, fetches=not unseen)
        actor.in_hand[actor.handle.apply.remote(parcel)] = parcel.work

    def _result(self, actor: _Actor, ref: Any, pending: PendingWork) -> Iterator[Outcome]:
        try:
            reply: Reply = ray.get(ref)
        except ray.exceptions.TaskCancelledError:
            del actor.in_hand[ref]
            return
        except ray.exceptions.RayTaskError as error:
            reason = str(error).strip().splitlines()[-1]
            remedy = "install the same curate and plug-ins on every node"
            raise MissingError(f"a worker of the Ray cluster cannot work: {reason}", remedy) from error
        except ray.exceptions.RayError as error:
            yield from self._lose(actor, error, pending)
            return
        self._logs.log(reply.logs)
        if reply.error is not None:
            raise reply.error
        if not actor.node:
            actor.node, actor.shares_disk = reply.node, reply.shares_disk
            self._lost_openings = 0
            return
        work = actor.in_hand.pop(ref)
        pending.unseen.update(reply.unseen)
        left = {*reply.unseen, *reply.unbegun}
        pending.give_back(one for one in work if one[0] in left)
        if not self._reads_ahead:
            self._call_size.learn(len(work) - len(left), reply.seconds)
            pending.size = self._call_size.count
        write_files(reply.files, self._env.root)
        yield from reply.outcomes

    def _lose(self, actor: _Actor, error: Exception, pending: PendingWork) -> list[Outcome]:
        """Takes back what a lost actor had in hand."""
        self._actors.remove(actor)
        ray.kill(actor.handle)  # it may only be out of reach
        if not actor.node:
            self._lost_openings += 1
            if self._lost_openings >= _OPENINGS:
                reason = " ".join(str(error).split())
                raise CurateError(f"workers end while they start: {reason}", remedy_for_workers())
        pending.give_back(actor.following)
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        return pending.lost([one for work in actor.in_hand.values() for one in work], actor.node, alive)

    def _ask_for_actors(self) -> None:
        """As many as there is room for, then one after another: Ray places it where room comes to be."""
        if any(not a.node for a in self._actors):
            return
        if not self._actors:  # before our own workers take what is free
            self._shortage = shortage(self._needs)
        count = 1 if self._actors else room(self._needs)
        for _ in range(min(count, self._most - len(self._actors))):
            handle = self._remote.remote()
            self._actors.append(_Actor(handle, handle.open.remote(self._job, installed_version())))

    def _dismiss(self, actor: _Actor) -> None:
        """Ends the actor, once it has released what it holds."""
        self._actors.remove(actor)
        if actor.node:
            self._closing[actor.handle.close.remote()] = actor.handle
        else:
            ray.kill(actor.handle)

    def _end_closed(self, seconds: float) -> None:
        if self._closing:
            closed, _ = ray.wait(list(self._closing), num_returns=len(self._closing), timeout=seconds)
            for ref in closed:
                ray.kill(self._closing.pop(ref))

    def _tell_of_waiting(self) -> None:
        """Says once what is waited for where no worker starts."""
        if any(a.node for a in self._actors) or not self._actors:
            self._waiting_since = None
        elif self._waiting_since is not None and time.monotonic() > self._waiting_since + _PATIENCE:
            self._waiting_since = None
            LOG.warning(f"still waiting for the first worker on the Ray cluster, which needs {self._shortage}")
