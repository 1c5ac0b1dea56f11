"""Refusal: how a command ends that did not do what was asked."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from typing import Any, NoReturn

from curate.cli import standard_streams
from curate.cli.results import print_json
from curate.core.disk_errors import WRONG_PATHS, disk_error, is_full
from curate.core.visible import visible_lines
from curate.errors import CurateError, InputError, MissingError


class Refusal:
    """Ends a command that did not do what was asked: a message on stderr, and with --json an object on stdout."""

    def __init__(self, as_json: bool, show_traceback: bool) -> None:
        self._as_json, self._show_traceback = as_json, show_traceback

    def end(self, code: int, message: str, remedy: str = "") -> NoReturn:
        """Prints and exits."""
        if self._show_traceback and code != 130:
            traceback.print_exc()
        say(message + (f"\n  {remedy}" if remedy else ""))
        self._json(code, message, remedy)
        raise SystemExit(code) from None

    def usage(self, error: Any) -> NoReturn:
        """What the parser of the command line says, with the usage above it as it prints it."""
        text = io.StringIO()
        error.show(text)
        sys.stderr.write(visible_lines(text.getvalue()))
        self._json(error.exit_code, error.format_message(), "")
        raise SystemExit(error.exit_code) from None

    def _json(self, code: int, message: str, remedy: str) -> None:
        if self._as_json and standard_streams.can_print():
            status = {130: "interrupted", 2: "refused", 3: "refused"}.get(code, "failed")
            row = {"status": status, "error": message, "remedy": remedy, "exit_code": code}
            with contextlib.suppress(OSError):  # a full disk, or nobody reads it: the message on stderr tells
                print_json(row)


def of_system(error: OSError) -> CurateError:
    """The error of ours for one of the system's that nobody looked for: a file that vanished, a disk that fails."""
    if is_full(error):
        return disk_error(error, str(error.filename or "a file"))
    what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    if error.errno in WRONG_PATHS:
        return InputError(what, WRONG_PATHS[error.errno])
    if what.startswith("No usable temporary directory"):
        return MissingError(what, "free some space there, or let TMPDIR name a folder with room")
    return CurateError(what, "run the same command again; --traceback shows where this came from")


def say(message: str) -> None:
    """A line of the program itself, on stderr."""
    print(f"curate: {visible_lines(message)}", file=sys.stderr)  # noqa: T201
