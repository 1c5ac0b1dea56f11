"""Results: what a command prints when it ends, and the options that say how."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.errors import InputError

if TYPE_CHECKING:
    from curate.core.stage import Findings
    from curate.drive import Result


def json_option(panel: str | None = None) -> Any:
    """`--json`, under the heading `panel` of a help page."""
    return typer.Option("--json", help="Print the result as JSON on stdout.", rich_help_panel=panel)


def quiet_option(panel: str | None = None) -> Any:
    """`--quiet`, under the heading `panel` of a help page."""
    return typer.Option("--quiet", "-q", help="Show only warnings and what was set aside.", rich_help_panel=panel)


def strict_option(panel: str | None = None) -> Any:
    """`--strict`, under the heading `panel` of a help page."""
    return typer.Option("--strict", help="Exit 1 if a picture was set aside.", rich_help_panel=panel)


Json = Annotated[bool, json_option()]
Quiet = Annotated[bool, quiet_option()]
Strict = Annotated[bool, strict_option()]


def show(findings: Findings, as_json: bool) -> None:
    """Prints findings, as tables or as JSON."""
    if as_json:
        typer.echo(json.dumps(findings.data, indent=2, ensure_ascii=False, default=str))
    else:
        from curate.report import table

        typer.echo(table.as_text(findings))


def close(result: Result, as_json: bool, strict: bool) -> None:
    """Prints the result where it was asked for; exits with 1 where `strict` and something was set aside."""
    from curate import drive

    if drive.is_further_process():
        return
    if as_json and sys.stdout is None:
        raise InputError("the result cannot be printed: standard output is closed")
    if as_json:
        findings = {"findings": result.findings.data} if result.findings else {}
        typer.echo(json.dumps(result.figures | findings, indent=2, ensure_ascii=False))
    elif result.findings:
        from curate.report import table

        typer.echo(table.as_text(result.findings))
    if strict and result.figures["aside"]:
        raise typer.Exit(1)
