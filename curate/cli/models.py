"""`curate models`: the taggers there are, their licenses, and whether they are on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli.help import Command, Group
from curate.cli.results import Json, print_json, print_line
from curate.core.findings import combined
from curate.core.registry import nearest
from curate.errors import InputError

app = typer.Typer(
    name="models",
    cls=Group,
    help="List taggers and other models with their licenses and whether they are installed. Download them.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def models_command(context: typer.Context, as_json: Json = False) -> None:
    """List taggers, and the models of `curate evaluate`, with licenses and whether they are installed."""
    if context.invoked_subcommand is not None:
        return
    rows, viewers = model_rows(), viewer_rows()
    if as_json:
        print_json([*rows, *viewers])
        return
    typer.echo("\n".join([*table(rows), "", *viewer_table(viewers)]))


_FOOTNOTES = {
    "g": "gated: you must accept the author's terms on Hugging Face first",
    "u": "unverified: its preprocessing was not checked against a reference program",
    "m": "not pinned: downloads the latest version",
}


def _marks(row: Mapping[str, Any]) -> str:
    """The letters of the footnotes that a tagger has."""
    applies = {"g": row["gated"], "u": not row["verified"], "m": row["revision"] == "main"}
    return "".join(letter for letter in _FOOTNOTES if applies[letter])


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The taggers as lines of at most 80 columns where their names allow it; what a letter means stands below."""
    name, words, license_ = (max(len(row[c]) for row in rows) for c in ("name", "vocabulary", "license"))
    yield f"{'tagger':<{name}}  {'tags':<{words}}  {'license':<{license_}}  {'size':>7}"
    used: set[str] = set()
    for row in rows:
        marks = _marks(row)
        used |= set(marks)
        size = f"{row['megabytes']} MB" if row["megabytes"] else ""
        line = f"{row['name']:<{name}}  {row['vocabulary']:<{words}}  {row['license']:<{license_}}  {size:>7}"
        yield f"{line} {row['installed']:<9} {marks}".rstrip()
    notes = [f"{row['name']}: {row['note']}" for row in rows if row["note"]]
    yield from ("", *(f"{letter}  {_FOOTNOTES[letter]}" for letter in _FOOTNOTES if letter in used))
    yield from ("", *notes) if notes else ()


@app.command("fetch", cls=Command)
def fetch_command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Names from the list that `curate models` shows.")
    ],
) -> None:
    """Download models for offline use."""
    import taggers
    from curate.tagging.models import translated

    viewers = {row["name"]: row for row in viewer_rows()}
    known = [*taggers.names(), *viewers]
    if odd := [name for name in names if name not in viewers and name not in taggers.models()]:
        raise combined([InputError(f'no model is called "{name}"', nearest(name, known)) for name in odd])
    for name in names:
        if name in viewers:
            typer.echo(f"{name}: {viewers[name]['license']}, {viewers[name]['megabytes']} MB", err=True)
            print_line(_fetch_viewer(name))
            continue
        _, model = taggers.models()[name]
        typer.echo(f"{name}: {model.licence}" + (f", {model.megabytes} MB" if model.megabytes else ""), err=True)
        with translated():
            found = taggers.find(name)
        print_line(found.model.parent)


def model_rows() -> list[dict[str, Any]]:
    """All published taggers as plain rows, where `installed` is built in, installed or missing."""
    import taggers
    from taggers import download

    rows: list[dict[str, Any]] = []
    for name, (family, model) in sorted(taggers.models().items()):
        installed = "built in"
        if not model.embedded:
            installed = "installed" if download.placed(model) or download.cached(model) else "missing"
        rows.append(
            {
                "name": name,
                "family": family.name,
                "vocabulary": taggers.vocabulary(name),
                "installed": installed,
                "verified": family.verified,
                "license": model.licence,
                "gated": model.gated,
                "megabytes": model.megabytes,
                "repo": model.repo,
                "revision": model.revision if model.repo else "",
                "files": list(model.files),
                "note": model.note,
            }
        )
    return rows


def viewer_table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The models that look at pictures, as lines of at most 80 columns."""
    yield f"{'evaluate':<8}  {'model':<28}  {'license':<12}  {'size':>6}"
    for row in rows:
        yield f"{row['name']:<8}  {row['repo']:<28}  {row['license']:<12}  {row['megabytes']} MB {row['installed']}"


def viewer_rows() -> list[dict[str, Any]]:
    """The usual models of `curate evaluate` as plain rows."""
    from curate.evaluate.models import VIEWERS, is_installed

    return [
        {
            "name": role,
            "family": "evaluate",
            "installed": "installed" if is_installed(role) else "missing",
            "license": viewer.license,
            "megabytes": viewer.megabytes,
            "repo": viewer.repo,
            "note": f"{viewer.title}: {viewer.purpose}",
        }
        for role, viewer in VIEWERS.items()
    ]


def _fetch_viewer(name: str) -> Path:
    from curate.evaluate.models import VIEWERS, Role, locate

    roles: dict[str, Role] = {role: role for role in VIEWERS}
    return locate(roles[name], VIEWERS[roles[name]].repo, offline=False).folder
