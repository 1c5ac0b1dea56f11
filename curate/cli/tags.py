"""`curate tags …`: captions of a folder in bulk, and the tables of implications."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli import folders, implications
from curate.cli.caption_changes import print_changes
from curate.cli.help import Command, Group
from curate.cli.results import Json, print_json, print_warning
from curate.core.caption_options import ENCODING_HELP, FORM_HELP, CaptionForm, CaptionReading, codec
from curate.core.counting import counted
from curate.errors import InputError

app = typer.Typer(
    name="tags",
    cls=Group,
    help="Search and edit captions in bulk, restore pictures you removed, look up implied tags.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of captioned pictures.", show_default=False)]
Concepts = Annotated[list[str] | None, typer.Option("--concept", metavar="NAME", help="Only this concept. Repeatable.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
Too = Annotated[bool, typer.Option("--edited-too", help="Also change captions that you edited by hand.")]
Place = Annotated[
    bool, typer.Option("--in-place", help="Allow a folder that curate did not prepare. `curate undo` reverts it.")
]
Form = Annotated[CaptionForm, typer.Option("--caption-form", help=FORM_HELP)]
Encoding = Annotated[str, typer.Option("--caption-encoding", help=ENCODING_HELP)]


@app.command("stats", cls=Command)
def stats_command(
    folder: Folder,
    concept: Concepts = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Number of tags to list for each concept.")] = 30,
    caption_form: Form = "auto",
    caption_encoding: Encoding = "auto",
    as_json: Json = False,
) -> None:
    """Count the tags of each concept, most frequent first."""
    from curate import tags_edit

    found = tags_edit.read(folder, concept or (), _reading(caption_form, caption_encoding), print_warning)
    counts = tags_edit.count(found)
    if as_json:
        print_json({c: dict(t.most_common()) for c, t in counts.items()})
        return
    for name, tags in counts.items():
        mine = [c for c in found if c.concept == name]
        bare = sum(not c.tags and not c.record.sentence for c in mine)
        typer.echo(
            f"{name}: {counted(len(mine), 'picture')}, {counted(len(tags), 'tag')}"
            + (f", {bare} without caption" if bare else "")
        )
        for tag, number in tags.most_common(top):
            everywhere = "  on every picture: is it part of the trigger?" if number == len(mine) > 4 else ""
            typer.echo(f"  {number:>6}  {number / len(mine):>4.0%}  {tag}{everywhere}")


@app.command("find", cls=Command)
def find_command(
    folder: Folder,
    tags: Annotated[
        list[str],
        typer.Argument(metavar="TAG...", help="Tags that a caption must have; * matches anything."),
    ],
    concept: Concepts = None,
    without: Annotated[bool, typer.Option("--without", help="List the pictures that have none of the tags.")] = False,
    caption_form: Form = "auto",
    caption_encoding: Encoding = "auto",
    as_json: Json = False,
) -> None:
    """List the pictures whose captions have all of the given tags."""
    from curate import tags_edit, tags_rules

    wanted = [tags_rules.matching([t]) for t in tags]

    def suits(own: tuple[str, ...]) -> bool:
        hits = [any(w(t) for t in own) for w in wanted]
        return not any(hits) if without else all(hits)

    found = [
        c
        for c in tags_edit.read(folder, concept or (), _reading(caption_form, caption_encoding), print_warning)
        if suits(c.tags)
    ]
    if as_json:
        print_json([{"path": str(c.path), "caption": c.text} for c in found])
        return
    for one in found:
        typer.echo(f"{one.path}\t{one.text}")
    typer.echo(counted(len(found), "picture"), err=True)


@app.command("add", cls=Command)
def add_command(
    folder: Folder,
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Tags to add.")],
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="TAG", help="Only in captions that have this tag. Repeatable."),
    ] = None,
    first: Annotated[
        bool, typer.Option("--first", help="Add them right after the trigger words instead of at the end.")
    ] = False,
    concept: Concepts = None,
    dry_run: Dry = False,
    edited_too: Too = False,
    in_place: Place = False,
    caption_form: Form = "auto",
    caption_encoding: Encoding = "auto",
    as_json: Json = False,
) -> None:
    """Add tags to captions."""
    reading = _reading(caption_form, caption_encoding)
    from curate import tags_rules

    _edit(
        folder,
        tags_rules.adding(tags, where or (), first=first),
        concept,
        dry_run,
        edited_too,
        in_place,
        as_json,
        reading,
    )


@app.command("remove", cls=Command)
def remove_command(
    folder: Folder,
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Tags to remove; * matches anything.")],
    concept: Concepts = None,
    dry_run: Dry = False,
    edited_too: Too = False,
    in_place: Place = False,
    caption_form: Form = "auto",
    caption_encoding: Encoding = "auto",
    as_json: Json = False,
) -> None:
    """Remove tags from captions. Trigger words are not changed."""
    reading = _reading(caption_form, caption_encoding)
    from curate import tags_rules

    _edit(folder, tags_rules.removing(tags), concept, dry_run, edited_too, in_place, as_json, reading)


@app.command("replace", cls=Command)
def replace_command(
    folder: Folder,
    pairs: Annotated[
        list[str],
        typer.Argument(metavar="OLD=NEW...", help="OLD=NEW replaces a tag; OLD=NEW1,NEW2 replaces it with several."),
    ],
    concept: Concepts = None,
    dry_run: Dry = False,
    edited_too: Too = False,
    in_place: Place = False,
    caption_form: Form = "auto",
    caption_encoding: Encoding = "auto",
    as_json: Json = False,
) -> None:
    """Replace tags with other tags. Trigger words are not changed."""
    reading = _reading(caption_form, caption_encoding)
    from curate import tags_rules

    table: dict[str, list[str]] = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not equals or not old.strip():
            raise InputError(
                f"replace takes OLD=NEW, found {pair!r}", "curate tags replace FOLDER grey_dog=dog,grey_fur"
            )
        table[old.strip()] = [n for n in (p.strip() for p in new.split(",")) if n]
    _edit(folder, tags_rules.replacing(table), concept, dry_run, edited_too, in_place, as_json, reading)


@app.command("rename", cls=Command)
def rename_command(
    folder: Folder,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The tag to rename.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    concept: Concepts = None,
    dry_run: Dry = False,
    edited_too: Too = False,
    in_place: Place = False,
    caption_form: Form = "auto",
    caption_encoding: Encoding = "auto",
    as_json: Json = False,
) -> None:
    """Rename one tag in all captions."""
    reading = _reading(caption_form, caption_encoding)
    from curate import tags_rules

    _edit(folder, tags_rules.replacing({old: [new]}), concept, dry_run, edited_too, in_place, as_json, reading)


def _reading(form: CaptionForm, encoding: str) -> CaptionReading:
    try:
        return CaptionReading(form, codec(encoding))
    except ValueError as error:
        raise InputError(f"--caption-encoding: {error}") from error


def _edit(
    folder: Path,
    rule: Any,
    concept: list[str] | None,
    dry_run: bool,
    edited_too: bool,
    in_place: bool,
    as_json: bool,
    reading: CaptionReading,
) -> None:
    from curate import tags_edit

    command = " ".join(sys.argv[1:]) or "tags"
    done = tags_edit.edit(
        folder,
        rule,
        command,
        concepts=concept or (),
        edited_too=edited_too,
        in_place=in_place,
        dry_run=dry_run,
        reading=reading,
        tell=print_warning,
    )
    print_changes(done, folder, dry_run=dry_run, as_json=as_json)


app.command("restore", cls=Command)(folders.restore_command)
app.command("explain", cls=Command)(implications.explain_command)
app.command("update", cls=Command)(implications.update_command)
