"""Check process: the checks of a known folder in a process of their own, for a server that stays small and answers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from curate.drive import check_answer, known_sizes
from curate.drive.known_sizes import KnownSizes
from curate.errors import CurateError


def check_in_process(target: Path, sizes: Mapping[str, tuple[int, int]], *, tokens: bool = True) -> dict[str, Any]:
    """What `check_known` finds, as the values of a CheckResult. Raises a CurateError where it cannot be made.

    What checks load takes several hundred MB: the process gives them back. It hears no Ctrl-C of this one's terminal.
    """
    return check_streamed(target, sizes.items(), tokens=tokens)


def check_streamed(
    target: Path, sizes: Iterable[tuple[str, tuple[int, int]]], *, tokens: bool = True
) -> dict[str, Any]:
    """The same of names and sizes that are never held together; the places and pictures of traps are packed."""
    command = [sys.executable, "-m", __name__, str(target), *(["tokens"] if tokens else [])]
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.writelines(known_sizes.lines(sizes))
        given.seek(0)
        answer = _answer(command, given, errors)
    if "error" in answer:
        raise CurateError(answer["error"], answer["remedy"])
    return answer


def _answer(command: list[str], given: IO[bytes], errors: IO[bytes]) -> dict[str, Any]:
    with subprocess.Popen(
        command, stdin=given, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            with contextlib.suppress(ValueError):  # an answer that is cut off: the process tells why
                answer = check_answer.read(process.stdout)
                if process.wait() == 0:
                    return answer
            process.stdout.close()  # one that still writes ends by it
            code = process.wait()
            errors.seek(0)
            lines = errors.read().decode("utf-8", "replace").strip().splitlines()
            raise CurateError(f"the process of the checks ended: {lines[-1] if lines else code}")
        except BaseException:
            process.kill()
            raise


def _lines(target: Path, sizes: KnownSizes, *, tokens: bool) -> Iterator[str]:
    from curate.drive.check import check_known

    try:
        yield from check_answer.lines(check_known(target, sizes, tokens=tokens))
    except CurateError as error:
        yield json.dumps({"error": error.message, "remedy": error.remedy})
    except ValueError as error:  # options of an old training
        yield json.dumps({"error": str(error), "remedy": ""})


if __name__ == "__main__":
    # what libraries print goes elsewhere than the answer
    out, sys.stdout = sys.stdout, sys.stderr
    known = KnownSizes(sys.stdin.buffer)
    out.writelines(_lines(Path(sys.argv[1]), known, tokens="tokens" in sys.argv[2:]))
