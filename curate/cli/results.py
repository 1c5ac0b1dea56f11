"""Results: what a command prints when it ends, and the options that say how."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from curate.core.visible import visible, visible_json

if TYPE_CHECKING:
    from curate.core.events import Event
    from curate.core.stage import Findings
    from curate.drive import Result


def json_option(panel: str | None = None) -> Any:
    """`--json`, under the heading `panel` of a help page."""
    return typer.Option("--json", help="Print the result as JSON on stdout.", rich_help_panel=panel)


def quiet_option(panel: str | None = None) -> Any:
    """`--quiet`, under the heading `panel` of a help page."""
    return typer.Option(
        "--quiet", "-q", help="Print only warnings and pictures that were set aside.", rich_help_panel=panel
    )


def strict_option(panel: str | None = None) -> Any:
    """`--strict`, under the heading `panel` of a help page."""
    return typer.Option("--strict", help="Exit 1 if a picture was set aside.", rich_help_panel=panel)


Json = Annotated[bool, json_option()]
Quiet = Annotated[bool, quiet_option()]
Strict = Annotated[bool, strict_option()]


def print_json(value: Any) -> None:
    """Prints a value as JSON on stdout; what JSON does not know is printed as text."""
    typer.echo(visible_json(json.dumps(value, indent=2, ensure_ascii=False, default=str)))


def print_line(*columns: object, err: bool = False) -> None:
    """Prints a line, of columns with tabs between them; what names and tags hide in it is written as escapes."""
    typer.echo("\t".join(visible(str(column)) for column in columns), err=err)


def show(findings: Findings, as_json: bool) -> None:
    """Prints findings, as tables or as JSON, then raises the error that they end with.

    As JSON there is one object: the error alone, where there is one.
    """
    if as_json and findings.error is None:
        print_json(findings.data)
    elif not as_json:
        from curate.report import table

        typer.echo(table.as_text(findings))
    if findings.error is not None:
        raise findings.error


def print_warning(event: Event) -> None:
    """Prints a warning on stderr; other events are dropped."""
    from curate.core.events import Note

    if isinstance(event, Note) and event.level == "warning":
        print_line(f"warning: {event.message}" + (f" ({event.key})" if event.key else ""), err=True)


def close(result: Result, as_json: bool, strict: bool) -> None:
    """Prints the result where it was asked for; exits with 1 where `strict` and something was set aside."""
    from curate import drive

    if drive.is_further_process():
        return
    if as_json:
        print_json(result.figures | ({"findings": result.findings.data} if result.findings else {}))
    elif result.findings:
        show(result.findings, as_json=False)
    if strict and result.figures["aside"]:
        raise typer.Exit(1)
