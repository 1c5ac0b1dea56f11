"""Caption changes: what `curate tags` prints of the captions that it changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from curate.cli.results import print_json, print_line
from curate.core.counting import counted
from curate.core.visible import visible

if TYPE_CHECKING:
    from curate.tags_edit import Edited


def print_changes(edited: Edited, folder: Path, *, dry_run: bool, as_json: bool) -> None:
    """Prints which captions were changed or, of a dry run, how they would be; what was skipped, and how to undo it."""
    if as_json:
        rows = [{"path": c.caption.path, "before": c.caption.text, "after": c.after} for c in edited.changes]
        print_json({"changed": rows, "skipped": [c.path for c in edited.skipped], "dry_run": dry_run})
        return
    if dry_run:
        from curate.tags_edit import difference

        for change in edited.changes:
            between = change.caption.record.style.separator
            pieces = difference(change, between.strip() or ",")
            typer.echo(f"{visible(str(change.caption.path))}: {_coloured(pieces, visible(between))}")
    for one in edited.skipped:
        print_line(f"skipped {one.path}: edited by hand (--edited-too changes it)", err=True)
    verb = "would change" if dry_run else "changed"
    count = len(edited.changes)
    typer.echo(
        f"{verb} {counted(count, 'caption')}" + (f", skipped {len(edited.skipped)}" if edited.skipped else ""),
        err=True,
    )
    if edited.changes and not dry_run:
        print_line(f"`curate undo {folder}` reverts this", err=True)


def _coloured(pieces: list[tuple[str, str]], between: str) -> str:
    colours = {"-": typer.colors.RED, "+": typer.colors.GREEN}
    shown = ((sign, visible(text)) for sign, text in pieces)
    return between.join(
        typer.style(f"{sign}{text}", fg=colours[sign]) if sign in colours else text for sign, text in shown
    )
