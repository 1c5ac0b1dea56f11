"""Check process: the checks of a known folder in a process of their own, for a server that stays small and answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curate.errors import CurateError


def check_in_process(target: Path, sizes: Mapping[str, tuple[int, int]], *, tokens: bool = True) -> dict[str, Any]:
    """What `check_known` finds, as the values of a CheckResult. Raises a CurateError where it cannot be made.

    What checks load takes several hundred MB: the process gives them back. It hears no Ctrl-C of this one's terminal.
    """
    command = [sys.executable, "-m", __name__, str(target), *(["tokens"] if tokens else [])]
    given = json.dumps(_by_size(sizes)).encode()
    done = subprocess.run(command, input=given, capture_output=True, check=False, start_new_session=True)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CurateError(f"the process of the checks ended: {lines[-1] if lines else done.returncode}") from None
    if "error" in answer:
        raise CurateError(answer["error"], answer["remedy"])
    return answer


def _by_size(sizes: Mapping[str, tuple[int, int]]) -> list[tuple[int, int, list[str]]]:
    """The names of each size: of a million pictures most share it with others."""
    groups: dict[tuple[int, int], list[str]] = {}
    for name, size in sizes.items():
        groups.setdefault(size, []).append(name)
    return [(*size, names) for size, names in groups.items()]


def _answer(target: Path, sizes: Mapping[str, tuple[int, int]], *, tokens: bool) -> dict[str, Any]:
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
    sides: dict[str, tuple[int, int]] = {}
    for width, height, names in json.load(sys.stdin):
        sides.update(dict.fromkeys(names, (width, height)))
    out.write(json.dumps(_answer(Path(sys.argv[1]), sides, tokens="tokens" in sys.argv[2:])))
