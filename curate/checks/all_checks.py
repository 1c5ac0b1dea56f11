"""All checks: one call that makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from curate.checks import (
    balance_checks,
    caption_checks,
    duplicate_checks,
    mask_checks,
    picture_checks,
    tag_checks,
    token_checks,
)
from curate.checks.findings import Finding, Skipped
from curate.checks.folder import CheckedFolder
from curate.checks.settings import Settings
from curate.core.check_names import CHECKS

_MODULES: tuple[Callable[[CheckedFolder, Settings], Iterator[Finding | Skipped]], ...] = (
    picture_checks.check,
    caption_checks.check,
    token_checks.check,
    tag_checks.check,
    balance_checks.check,
    duplicate_checks.check,
    mask_checks.check,
)


def run_checks(folder: CheckedFolder, settings: Settings) -> tuple[list[Finding], list[Skipped]]:
    """Every trap of a folder whose pictures are measured, in the order of CHECKS, and the checks that were not made."""
    findings = [*folder.findings]
    skipped: list[Skipped] = []
    for check in _MODULES:
        for one in check(folder, settings):
            (findings if isinstance(one, Finding) else skipped).append(one)  # type: ignore[arg-type]
    order = list(CHECKS)
    findings.sort(key=lambda one: order.index(one.check))
    return findings, skipped
