"""Checks: what of a folder of pictures would go wrong in training, and what a trainer would do with it."""

from curate.checks.all_checks import run_checks
from curate.checks.findings import CheckResult, Finding, Place, Skipped
from curate.checks.folder import CheckedFolder, CheckedPicture
from curate.checks.reading import read_folder
from curate.core.check_names import CHECKS

__all__ = [
    "CHECKS",
    "CheckResult",
    "CheckedFolder",
    "CheckedPicture",
    "Finding",
    "Place",
    "Skipped",
    "read_folder",
    "run_checks",
]
