"""Drive: carries out a pipeline, or one stage as a command over plain folders, from lock to summary."""

from curate.core.store import REPORT
from curate.drive.command import Command, command
from curate.drive.health import consent_of, report
from curate.drive.launched import is_further_process
from curate.drive.overrides import restore
from curate.drive.run import plan, run
from curate.drive.session import Result
from curate.drive.undo import undo

__all__ = [
    "REPORT",
    "Command",
    "Result",
    "command",
    "consent_of",
    "is_further_process",
    "plan",
    "report",
    "restore",
    "run",
    "undo",
]
