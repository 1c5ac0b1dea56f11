"""Starts `curate` for a test as a process of its own, without waiting for PyTorch to load each time.

What it is for. The end-to-end tests start the real command many times. They need real processes: tests kill some,
reads their exit codes, and gives each its own folder and environment. Loading PyTorch and diffusers takes some seconds,
which is ten times as long as what such a test asks of the command.

How it works. A session of pytest starts one server (`python -m tests.warm`). It imports the libraries once and waits.
A request arrives as one line of JSON on its standard input: it forks, and the child becomes the program: it sets
folder, environment, arguments, input and output, and runs it. The answer is the child's process id. Exit codes come
in the same way. Only fork gives a child the loaded libraries, spawn does not. Where there is no fork (Windows) the
fixture `server` is None, and tests start the command in the ordinary way.

What it must not do:
- start a thread, open a device or run a model before it forks: a child has only the thread that forked, and a lock that
  another thread held stays locked in it. For this reason `load` only imports.
- test how the command starts. Imports, start-up time and `--help` are tested on a cold process (fixture `cold`).
- run anything of a test in the server itself, which would change every child after it.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]
LOADED = [
    *(
        "cv2",
        "diffusers.models.autoencoders.autoencoder_kl",
        "diffusers.models.unets.unet_2d_condition",
        "torch._dynamo",
    ),
    *(
        "torch.utils.tensorboard.writer",
        "transformers.models.clip.modeling_clip",
        "transformers.models.clip.tokenization_clip",
    ),
    *("curate.cli.main", "curate.drive", "curate.train.trainer"),
]
COMMAND = "from curate.cli.main import main; main()"


class Process:
    """A program that was started: the part of `subprocess.Popen` that tests use."""

    def __init__(self, server: Server, pid: int) -> None:
        self.pid, self._server = pid, server
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float = 300) -> int:
        """The exit code. Raises TimeoutExpired after so many seconds."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """As `kill -9`."""
        self.send_signal(signal.SIGKILL)


class Server:
    """The process that has everything loaded. Needs fork."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self._answer()  # it sends a line when everything is loaded

    def ask(self, request: Mapping[str, Any]) -> Any:
        """The server's answer to a request."""
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def start(
        self, *arguments: str | Path, cwd: Path, env: Mapping[str, str], out: Path, program: str = COMMAND
    ) -> Process:
        """As `python -c PROGRAM ARGUMENTS`; what it prints goes into OUT.out and OUT.err."""
        texts = [str(a) for a in arguments]
        request = {"start": program, "with": texts, "cwd": str(cwd), "env": dict(env), "out": str(out)}
        return Process(self, self.ask(request))

    def end(self) -> None:
        """Ends it; what it started ends by itself."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def load() -> None:
    """Imports what commands need on their way; nothing of it starts a thread."""
    for name in LOADED:
        importlib.import_module(name)
    # without this, every garbage collection in a child would touch, and so copy, all that is loaded
    gc.collect()
    gc.freeze()


def serve() -> dict[str, Any] | None:
    """Answers requests until its input ends; in a child, returns the request, which `become` carries out."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    print("null", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "poll" in asked:
            pid, status = os.waitpid(asked["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif answer := os.fork():
            pass
        else:
            answers.close()
            return asked
        print(json.dumps(answer), file=answers, flush=True)
    return None


def become(asked: Mapping[str, Any]) -> NoReturn:
    """Turns a child into the program: its own folder, environment, arguments, input and output."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    opened = [os.open(f"{asked['out']}.{end}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666) for end in ("out", "err")]
    for number, file in enumerate([os.open(os.devnull, os.O_RDONLY), *opened]):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, "rw"[n > 0], encoding="utf-8") for n in range(3))
    sys.argv = ["-c", *asked["with"]]
    code: Any = 0
    try:
        exec(asked["start"], {"__name__": "__main__"})
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    load()
    if (mine := serve()) is not None:
        become(mine)
    # no orderly shutdown: taking apart what is loaded would take seconds
    os._exit(0)
