"""`curate tags …`: captions of a folder in bulk, and the tables of implications."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli import folders, implications, tags_checks
from curate.cli.caption_changes import print_changes
from curate.cli.help import Command, Group, command_class
from curate.cli.results import Json, print_json, print_line, print_warning
from curate.cli.usage_errors import Arguments
from curate.core.caption_options import ENCODING_HELP, FORM_HELP, CaptionForm, CaptionReading
from curate.core.counting import counted

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


@app.command("stats", cls=command_class((), tags_checks.reading_checks))
def stats_command(
    folder: Folder,
    concept: Concepts = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Number of tags to list for each concept.")] = 30,
    caption_form: Form = "auto",
    caption_encoding: Encoding = "auto",
    as_json: Json = False,
) -> None:
    """Count the tags of each concept, most frequent first."""
    tags_checks.check(tags_checks.reading_checks, Arguments(locals()))
    from curate import tags_edit

    found = tags_edit.read(folder, concept or (), tags_checks.reading(caption_form, caption_encoding), print_warning)
    counts = tags_edit.count(found)
    if as_json:
        print_json({c: dict(t.most_common()) for c, t in counts.items()})
        return
    for name, tags in counts.items():
        mine = [c for c in found if c.concept == name]
        bare = sum(not c.tags and not c.record.sentence for c in mine)
        print_line(
            f"{name}: {counted(len(mine), 'picture')}, {counted(len(tags), 'tag')}"
            + (f", {bare} without caption" if bare else "")
        )
        for tag, number in tags.most_common(top):
            everywhere = "  on every picture: is it part of the trigger?" if number == len(mine) > 4 else ""
            print_line(f"  {number:>6}  {number / len(mine):>4.0%}  {tag}{everywhere}")


@app.command("find", cls=command_class((), tags_checks.find_checks))
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
    tags_checks.check(tags_checks.find_checks, Arguments(locals()))
    from curate import tags_edit, tags_rules

    wanted = [tags_rules.matching([t]) for t in tags]

    def suits(own: tuple[str, ...]) -> bool:
        hits = [any(w(t) for t in own) for w in wanted]
        return not any(hits) if without else all(hits)

    reading = tags_checks.reading(caption_form, caption_encoding)
    found = [c for c in tags_edit.read(folder, concept or (), reading, print_warning) if suits(c.tags)]
    if as_json:
        print_json([{"path": c.path, "caption": c.text} for c in found])
        return
    for one in found:
        print_line(one.path, one.text)
    typer.echo(counted(len(found), "picture"), err=True)


@app.command("add", cls=command_class((), tags_checks.add_checks))
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
    tags_checks.check(tags_checks.add_checks, Arguments(locals()))
    from curate import tags_rules

    reading = tags_checks.reading(caption_form, caption_encoding)
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


@app.command("remove", cls=command_class((), tags_checks.remove_checks))
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
    tags_checks.check(tags_checks.remove_checks, Arguments(locals()))
    from curate import tags_rules

    reading = tags_checks.reading(caption_form, caption_encoding)
    _edit(folder, tags_rules.removing(tags), concept, dry_run, edited_too, in_place, as_json, reading)


@app.command("replace", cls=command_class((), tags_checks.replace_checks))
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
    tags_checks.check(tags_checks.replace_checks, Arguments(locals()))
    from curate import tags_rules

    reading = tags_checks.reading(caption_form, caption_encoding)
    table = dict(map(tags_checks.replacement, pairs))
    _edit(folder, tags_rules.replacing(table), concept, dry_run, edited_too, in_place, as_json, reading)


@app.command("rename", cls=command_class((), tags_checks.rename_checks))
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
    tags_checks.check(tags_checks.rename_checks, Arguments(locals()))
    from curate import tags_rules

    reading = tags_checks.reading(caption_form, caption_encoding)
    _edit(folder, tags_rules.replacing({old: [new]}), concept, dry_run, edited_too, in_place, as_json, reading)


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
app.command("explain", cls=command_class((), tags_checks.explain_checks))(implications.explain_command)
app.command("update", cls=command_class((), tags_checks.update_checks))(implications.update_command)
