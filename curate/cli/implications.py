"""`curate tags explain` and `update`: the tables of implied tags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli.results import Json, print_json, print_line
from curate.cli.tags_checks import update_checks
from curate.cli.usage_errors import Arguments
from curate.core.findings import raise_together

Vocabulary = Annotated[
    str, typer.Option("--vocabulary", metavar="NAME", help="danbooru, e621, or a file with implied tags.")
]


def explain_command(
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Tags to explain.")],
    vocabulary: Vocabulary = "danbooru",
    as_json: Json = False,
) -> None:
    """Show which tags a tag implies and, for an alias, its current name."""
    from curate import captions
    from curate.tagging.models import translated
    from taggers import exports

    with translated():
        table = exports.table(vocabulary)
    known: list[dict[str, Any]] = []
    for name in map(captions.canonical, tags):
        live = table.live(name)
        above = sorted(table.ancestors(live) - {live})
        known.append({"tag": name, "live": live, "implies": {a: table.path(live, a) for a in above}})
    if as_json:
        print_json(known)
        return
    for one in known:
        name, live, implies = one["tag"], one["live"], one["implies"]
        print_line(f"{name}" + (f" is an alias of {live}" if live != name else ""))
        for path in sorted(implies.values(), key=lambda p: (len(p), p)):
            print_line("  " + " -> ".join(path))
        if not implies:
            print_line(f"  no implications in the table {vocabulary}")
    print_line(f"({_provenance(vocabulary)})", err=True)


def _provenance(vocabulary: str) -> str:
    """Which table it is, how large and how old."""
    from taggers import implications, update

    if vocabulary not in implications.CORE:
        return f"from {vocabulary}"
    known = update.about(vocabulary)
    if known:
        return f"from {known['source']}, {known['implications']:,} implications, stored on {known['fetched']}"
    return f"from the built-in table; `curate tags update {vocabulary}` downloads the full one"


def update_command(
    vocabulary: Annotated[str, typer.Argument(metavar="VOCABULARY", help="danbooru or e621.")],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Read from a downloaded export file (or a folder of them) instead of the site.",
        ),
    ] = None,
) -> None:
    """Download a site's implied tags and aliases, or read them from a file."""
    raise_together(update_checks(Arguments(locals())))
    from curate.tagging.models import translated
    from taggers import update

    with translated():
        stored = update.update(vocabulary, source)
    aliases = f"{stored.aliases:,} aliases" if stored.aliases else "no aliases (those known before stay)"
    print_line(
        f"{stored.vocabulary}: {stored.implications:,} implications and {aliases} from {stored.source}", err=True
    )
