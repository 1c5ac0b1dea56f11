"""What a launcher starts in place of `curate`: hands arguments and environment to the test, which forks the command.

A launcher starts Python anew for each process, and loading PyTorch takes some seconds each time. This module loads
nothing: `Launched` forks the command from the test's server, with the environment that the launcher made. What it
prints and its exit code come back through files.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

FOLDER = "HANDOVER_FOLDER"


def wait_for(path: Path) -> str:
    """A file's text, once it is there."""
    while not path.exists():
        time.sleep(0.01)
    return path.read_text(encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Writes a file that is there whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def hand_over() -> int:
    """The command's exit code; its output is passed on."""
    path = Path(os.environ[FOLDER]) / str(os.getpid())
    write(path.with_suffix(".asked"), json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ)}))
    code = int(wait_for(path.with_suffix(".code")))
    sys.stdout.write(path.with_suffix(".out").read_text(encoding="utf-8"))
    sys.stderr.write(path.with_suffix(".err").read_text(encoding="utf-8"))
    return code


if __name__ == "__main__":
    sys.exit(hand_over())
