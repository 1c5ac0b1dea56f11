"""`curate doctor`: what this machine can do."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from curate.cli.results import Json, print_json
from curate.errors import MissingError


def doctor_command(as_json: Json = False) -> None:
    """Check this machine (GPU, memory, models on disk) and tell how to install what is missing."""
    from curate import doctor

    found = doctor.examine(Path.cwd())
    if as_json:
        print_json(doctor.as_dict(found))
    else:
        doctor.show(found, sys.stdout)
    if any(problem.level == "error" for problem in doctor.problems(found)):
        raise typer.Exit(MissingError.exit_code)
