"""Programs in processes of their own that have their libraries already: forked from one that loads them once and does no more.

Loading PyTorch and diffusers takes ten times as long as what a test asks of them. What is forked is whole otherwise: it reads
its arguments, can be killed at any moment, and ends with an exit code.
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
        self._heard()  # it says when it has loaded

    def ask(self, what: Mapping[str, Any]) -> Any:
        """Its answer."""
        assert self._process.stdin is not None
        print(json.dumps(what), file=self._process.stdin, flush=True)
        return self._heard()

    def _heard(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def start(
        self, *arguments: str | Path, cwd: Path, env: Mapping[str, str], out: Path, program: str = COMMAND
    ) -> Process:
        """As `python -c PROGRAM ARGUMENTS`; what it prints goes into OUT.out and OUT.err."""
        texts = [str(a) for a in arguments]
        said = {"start": program, "with": texts, "cwd": str(cwd), "env": dict(env), "out": str(out)}
        return Process(self, self.ask(said))

    def end(self) -> None:
        """Ends it; what it started ends by itself."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def load() -> None:
    """Everything that commands load on their way; nothing of it starts a thread."""
    for name in LOADED:
        importlib.import_module(name)
    # what is there stays: without this every collection in a fork touches, and so copies, all of it
    gc.collect()
    gc.freeze()


def serve() -> dict[str, Any] | None:
    """Answers until it is asked no more; in what it forks, returns what to do there."""
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
    """The program, in what was forked: its own folder, environment, arguments, input and output."""
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
    # neither this nor a fork takes apart what is loaded: it takes seconds
    os._exit(0)
