"""Local executors: in the driver's process, or spread over spawned worker processes of several threads each."""

from __future__ import annotations

import multiprocessing.connection
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from curate.core.chain import Outcome, Prepared, Work, open_chain
from curate.core.stage import Env
from curate.executors.child import Child
from curate.executors.crew import Crew
from curate.executors.pool import Pool
from curate.executors.spread import counted, shares, spreads, threads


class InProcess:
    """Applies the chain in this process, in batches of what its stages ask for, or on several threads one by one."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def map(self, chain: Sequence[Prepared], work: Iterable[Work], env: Env) -> Iterator[Outcome]:
        """Yields one outcome for each piece of work, in order if on one thread; ends early once `env` says stop."""
        pending = iter(work)
        if self.threads > 1:
            crew = Crew(chain, pending, env, self.threads)
            try:
                yield from crew
            finally:
                crew.end()
            return
        size = max(p.stage.requirements().batch for p in chain)
        following = list(islice(pending, size))
        with open_chain(chain, env) as apply:
            while batch := following:
                following = list(islice(pending, size))
                yield from apply(batch, following)
                if env.stopping():
                    return


class Processes:
    """Applies the chain in spawned processes; a picture that kills its process is one failure, not the end."""

    def __init__(self, workers: int, pool: Pool | None = None) -> None:
        """Processes come from `pool` and go back to it; without one they live as long as `map`."""
        self.workers = workers
        self.pool = pool

    def map(self, chain: Sequence[Prepared], work: Iterable[Work], env: Env) -> Iterator[Outcome]:
        """Yields outcomes as they come; ends early, with the pictures in hand done, once `env` says stop."""
        pending = iter(work)
        suspects: list[Work] = []
        while True:
            yield from self._round(chain, pending, env, self.workers, suspects)
            if not suspects or env.stopping():
                return
            # a process died: those in hand are tried one by one, so that only the guilty one is set aside
            again, suspects = suspects, []
            for one in again:
                dead: list[Work] = []
                yield from self._round(chain, iter([one]), env, 1, dead)
                yield from (
                    Outcome(i, error="the worker process died on this picture (out of memory, or a crash in a decoder)")
                    for i, _ in dead
                )
                if env.stopping():
                    return

    def _round(
        self, chain: Sequence[Prepared], pending: Iterator[Work], env: Env, workers: int, suspects: list[Work]
    ) -> Iterator[Outcome]:
        """Outcomes until the work is done, or until a process died and the others are done with what they had."""
        pool = self.pool or Pool()
        children: list[Child] = []
        try:
            for count in shares(workers):
                children.append(pool.take())
                children[-1].employ(chain, env, count)
            while True:
                for child in children:
                    while not suspects and not env.stopping() and child.hungry and (one := next(pending, None)):
                        child.give(one)
                waiting = {child.results: child for child in children if child.flying}
                if not waiting:
                    break
                for ready in multiprocessing.connection.wait(list(waiting)):
                    child = waiting[ready]  # type: ignore[index]
                    try:
                        yield child.take()
                    except (EOFError, ConnectionError):
                        suspects.extend(child.flying.values())
                        child.flying.clear()
            if self.pool is not None:
                while children:
                    pool.keep(children.pop())
        finally:
            for child in children:
                child.dismiss()
            for child in children:
                child.process.join()


def choose(workers: int | str, chain: Sequence[Prepared], todo: int, pool: Pool | None = None) -> InProcess | Processes:
    """Processes where there is enough work for them, else this process. `workers` is "auto" or a number."""
    if not all(spreads(p.stage) for p in chain):
        if pool is not None:
            pool.empty()  # what comes now may take long, and memory
        return InProcess()
    if count := counted(workers, todo):
        return Processes(count, pool)
    return InProcess(threads(workers, todo))
