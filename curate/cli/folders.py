"""`curate undo`, `report`, `consent` and `tags restore`: what works on a folder as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.results import Json, print_json, print_line
from curate.core.counting import counted

Changed = Annotated[
    Path, typer.Argument(metavar="FOLDER", show_default=False, help="The folder that was changed in place.")
]
Prepared = Annotated[Path, typer.Argument(metavar="FOLDER", show_default=False, help="A folder that curate prepared.")]
Changeable = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", show_default=False, help="A folder that curate prepared, or changed in place."),
]
Pictures = Annotated[
    Path, typer.Argument(metavar="FOLDER", show_default=False, help="A folder of pictures, read only.")
]


def undo_command(folder: Changed) -> None:
    """Revert the last command that changed a folder in place."""
    from curate import drive

    what, changes = drive.undo(folder)
    print_line(f"undone: curate {what} ({counted(changes, 'change')} reverted)", err=True)


def report_command(
    folder: Changeable,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="HTML file to write. A .json file goes beside it, and the thumbnails of large folders. "
            "Default: .curate/report.html in the folder.",
        ),
    ] = None,
) -> None:
    """Write a report about a dataset that curate wrote: its captions, balance and problems, as HTML and JSON."""
    from curate import drive

    path, count = drive.report(folder, out)
    why = "" if out or folder in path.parents else f"; {folder} is read-only, -o chooses another place"
    print_line(f"wrote {path} ({counted(count, 'picture')}){why}", err=True)


def consent_command(
    folder: Pictures,
    as_json: Json = False,
) -> None:
    """List pictures marked 'no AI training', or that cannot be checked for such a mark, and why."""
    from curate import drive

    rows = drive.consent_of(folder)
    counts = {
        answer: sum(one.answer == answer for _, one in rows) for answer in ("refused", "unchecked", "not-refused")
    }
    named = [(path, one) for path, one in rows if one.answer != "not-refused"]
    if as_json:
        pictures = [{"path": str(path), "answer": one.answer, "reason": one.reason} for path, one in named]
        print_json({"counts": counts, "pictures": pictures})
        return
    for path, one in named:
        print_line(path, f"{'' if one.answer == 'refused' else 'could not be checked: '}{one.reason}")
    typer.echo(
        f"{counts['refused']} opted out, {counts['unchecked']} could not be checked, "
        f"{counts['not-refused']} without an opt-out",
        err=True,
    )


def restore_command(
    folder: Prepared,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PICTURE...", help="Names or patterns (a.png, dog/a*). Without names, all are restored."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be restored.")] = False,
    as_json: Json = False,
) -> None:
    """Restore pictures that you deleted from a prepared folder, at the next run."""
    from curate.drive import restore

    keys = restore(folder, names or (), dry_run=dry_run)
    if as_json:
        print_json({"restored": keys, "dry_run": dry_run})
        return
    for key in keys:
        print_line(key)
    count = counted(len(keys), "picture")
    typer.echo(f"{count} would be restored" if dry_run else f"{count} will be restored by the next run", err=True)
