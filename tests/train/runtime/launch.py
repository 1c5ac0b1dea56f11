"""Starts processes that know of each other, forked from the server where that can be: PyTorch is loaded once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.train.runtime import handover
from tests.warm import COMMAND, Process, Server

ROOT = Path(__file__).parents[3]
MODULE = "import runpy, sys; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
"""As `python -m`, with the module's name as the first argument."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Running:
    """A process whose output goes into OUT.out and OUT.err."""

    process: Process | subprocess.Popen[bytes]
    out: Path

    def ended(self) -> Ended:
        """Waits for it."""
        code = self.process.wait(timeout=300)
        return Ended(code, *(self.out.with_suffix(end).read_text(encoding="utf-8") for end in (".out", ".err")))


class Launch:
    """Starts processes; their output goes into a folder."""

    def __init__(self, server: Server | None, folder: Path) -> None:
        self._server, self._folder, self._count = server, folder, 0

    def team(self, *arguments: str, processes: int = 2, program: str = COMMAND) -> list[Ended]:
        """What a launcher does: the same command in several processes that know of each other by the environment."""
        common = {**environment(), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        common |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
        ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
        started = [self._start(program, arguments, common | rank) for rank in ranks]
        return [one.ended() for one in started]

    def machines(self, launchers: Sequence[Sequence[str]], arguments: Sequence[str]) -> list[Ended]:
        """Launchers, each a module and its arguments, that start `curate` with these arguments, as one of each machine.

        Where there is a server they start a module that hands over to it in place of `curate.cli`.
        """
        command = "curate.cli" if self._server is None else handover.__name__
        given = environment() | {handover.FOLDER: str(self._folder)}
        started = [self._start(MODULE, [*words, "-m", command, *arguments], given) for words in launchers]
        served: dict[Path, Running] = {}
        while any(one.process.poll() is None for one in started):
            self._serve(served)
            time.sleep(0.01)
        return [one.ended() for one in started]

    def _serve(self, served: dict[Path, Running]) -> None:
        """Forks for those who have asked, and gives those that have ended their exit codes."""
        for path in set(self._folder.glob("*.asked")) - served.keys():
            asked = json.loads(path.read_text(encoding="utf-8"))
            served[path] = self._start(COMMAND, asked["arguments"], asked["environment"], path.with_suffix(""))
        for path, running in served.items():
            code = path.with_suffix(".code")
            if not code.exists() and running.process.poll() is not None:
                handover.write(code, str(running.process.poll()))

    def _start(
        self, program: str, arguments: Sequence[str], given: Mapping[str, str], out: Path | None = None
    ) -> Running:
        """As `python -c PROGRAM ARGUMENTS`."""
        self._count += 1
        out = out or self._folder / f"process {self._count}"
        if self._server is not None:
            return Running(self._server.start(*arguments, cwd=ROOT, env=given, out=out, program=program), out)
        with out.with_suffix(".out").open("wb") as stdout, out.with_suffix(".err").open("wb") as stderr:
            called = [sys.executable, "-c", program, *arguments]
            return Running(subprocess.Popen(called, env=given, stdout=stdout, stderr=stderr, cwd=ROOT), out)


def environment() -> dict[str, str]:
    """This process's, with the place of our modules."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
