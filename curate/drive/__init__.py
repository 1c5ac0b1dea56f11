"""Drive: carries out a pipeline, or one stage as a command over plain folders, from lock to summary."""

from curate.drive.command import Command, command, undo
from curate.drive.follower import follows
from curate.drive.health import REPORT, consent_of, report
from curate.drive.run import plan, run
from curate.drive.session import Result
from curate.drive.words import restore

__all__ = [
    "REPORT",
    "Command",
    "Result",
    "command",
    "consent_of",
    "follows",
    "plan",
    "report",
    "restore",
    "run",
    "undo",
]
