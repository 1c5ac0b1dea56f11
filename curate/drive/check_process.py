"""Check process: the checks of a known folder in a process of their own, for a server that stays small and answers."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.drive import known_sizes
from curate.drive.known_sizes import KnownSizes
from curate.errors import CurateError


def check_in_process(target: Path, sizes: Mapping[str, tuple[int, int]], *, tokens: bool = True) -> dict[str, Any]:
    """What `check_known` finds, as the values of a CheckResult. Raises a CurateError where it cannot be made.

    What checks load takes several hundred MB: the process gives them back. It hears no Ctrl-C of this one's terminal.
    """
    command = [sys.executable, "-m", __name__, str(target), *(["tokens"] if tokens else [])]
    with tempfile.TemporaryFile() as given:
        given.writelines(known_sizes.lines(sizes))
        given.seek(0)
        done = subprocess.run(command, stdin=given, capture_output=True, check=False, start_new_session=True)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CurateError(f"the process of the checks ended: {lines[-1] if lines else done.returncode}") from None
    if "error" in answer:
        raise CurateError(answer["error"], answer["remedy"])
    return answer


def _answer(target: Path, sizes: KnownSizes, *, tokens: bool) -> dict[str, Any]:
    from curate.drive.check import check_known

    try:
        return check_known(target, sizes, tokens=tokens).as_dict()
    except CurateError as error:
        return {"error": error.message, "remedy": error.remedy}
    except ValueError as error:  # options of an old training
        return {"error": str(error), "remedy": ""}


if __name__ == "__main__":
    # what libraries print goes elsewhere than the answer
    out, sys.stdout = sys.stdout, sys.stderr
    known = KnownSizes(sys.stdin.buffer)
    out.write(json.dumps(_answer(Path(sys.argv[1]), known, tokens="tokens" in sys.argv[2:])))
