"""`curate lora …`: look at finished LoRA files, shrink, combine and convert them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curate.cli import lora_checks, lora_make
from curate.cli.help import Command, Group, command_class
from curate.cli.lora_options import (
    OUTPUT,
    Base,
    CheckBase,
    File,
    Files,
    Force,
    Offline,
    base_weights,
)
from curate.cli.results import Json, print_json, print_line
from curate.cli.usage_errors import Arguments
from curate.core.counting import counted
from curate.core.findings import raise_together

if TYPE_CHECKING:
    pass

app = typer.Typer(
    name="lora",
    cls=Group,
    help="Inspect, check, shrink, merge and convert finished LoRA files.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("info", cls=Command)
def info_command(
    file: Files,
    base: Base = None,
    top: Annotated[int, typer.Option("--top", min=0, help="Number of training tags to list.")] = 20,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Show family, algorithm, ranks, norms by block, metadata and hashes of LoRA files."""
    from curate.lora import tables
    from curate.lora.file import lora_paths, open_lora
    from curate.lora.info import info

    weights = base_weights(base, offline)
    pages = [info(open_lora(str(path)), weights, top) for path in lora_paths(file)]
    if as_json:
        print_json([_plain_info(page) for page in pages])
        return
    for page in pages:
        tables.show(tables.info_table(page))


def _plain_info(page: Any) -> dict[str, Any]:
    row = dataclasses.asdict(page)
    row["ranks"] = [{"rank": r, "alpha": a, "layers": n} for (r, a), n in page.ranks.items()]
    row["blocks"], row["metadata"], row["tags"] = dict(page.blocks), dict(row.pop("words")), dict(page.tags)
    for held, one in zip(row["hashes"], page.hashes, strict=True):
        held |= {"autov2": one.auto_v2, "autov3": one.auto_v3}
    return row


@app.command("check", cls=Command)
def check_command(
    file: Files,
    base: CheckBase = None,
    wanted: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="PROGRAM",
            help="A program that must read all of it: comfyui, a1111, kohya, diffusers, peft. Repeatable.",
        ),
    ] = None,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Check whether ComfyUI, A1111, kohya, diffusers and PEFT read all of a file. Exit 1 if something would be lost.

    A file fails if the program whose layer names it uses would lose something, or if any program would read only
    part of it. A program that does not read the file at all fails it only if you name it with --for.
    """
    from curate.lora import tables
    from curate.lora.check import check
    from curate.lora.file import lora_paths

    weights = base_weights(base, offline)
    done = [check(str(path), weights, wanted or ()) for path in lora_paths(file)]
    if as_json:
        print_json([_plain_check(one) for one in done])
    else:
        for one in done:
            tables.show(tables.check_table(one))
    if not all(one.passed for one in done):
        raise typer.Exit(1)


def _plain_check(one: Any) -> dict[str, Any]:
    programs = {
        v.reader.name: {"reads": v.reads, "layers": v.layers, "differs": v.differs, "reasons": dict(v.reasons)}
        for v in one.verdicts
    }
    problems = [dataclasses.asdict(problem) for problem in one.problems]
    return {"path": one.path, "family": one.family, "passed": one.passed, "programs": programs, "problems": problems}


for name, command, checks in (
    ("resize", lora_make.resize_command, lora_checks.resize_checks),
    ("merge", lora_make.merge_command, lora_checks.merge_checks),
    ("extract", lora_make.extract_command, lora_checks.extract_checks),
):
    app.command(name, cls=command_class((), checks))(command)


@app.command("convert", cls=command_class((), lora_checks.convert_checks))
def convert_command(
    file: File,
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="OUT", help="The file to write; for peft, a folder.", rich_help_panel=OUTPUT
        ),
    ],
    to: Annotated[
        Literal["kohya", "diffusers", "peft", "comfyui"],
        typer.Option(
            "--to", help="The program whose layer names to use. A1111, ComfyUI and diffusers also read kohya's."
        ),
    ],
    fused: Annotated[
        bool,
        typer.Option(
            "--fused",
            help="Write q, k and v as one layer where the original network has one matrix for them, as in Z-Image and "
            "FLUX.2. Their ranks add up, unless they share one matrix already. For comfyui and kohya.",
        ),
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Rename the layers of a LoRA for another program. The weights stay the same, bit for bit."""
    raise_together(lora_checks.convert_checks(Arguments(locals())))
    from curate.lora.convert import convert
    from curate.lora.file import open_lora

    done = convert(open_lora(str(file)), to, out, force, fused)
    if as_json:
        print_json({**dataclasses.asdict(done), "path": str(done.path)})
        return
    print_line(f"wrote {done.path}: {counted(done.layers, 'layer')}, {done.before} to {done.after}", err=True)
    for line in done.ranks:
        print_line(line, err=True)
    for key in done.left_out:
        print_line(f"left out, because it belongs to no layer: {key}", err=True)


@app.command("metadata", cls=command_class((), lora_checks.metadata_checks))
def metadata_command(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="OUT", help="The file to write.", rich_help_panel=OUTPUT),
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a value. Repeatable.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="KEY", help="Remove a key. Repeatable.")
    ] = None,
    private: Annotated[
        bool,
        typer.Option(
            "--private",
            help="Remove everything about the training folder: tags, folders, comments, times. The LoRA gets the "
            "name of OUT, and the title too, unless you set one with `curate train --title`.",
        ),
    ] = False,
    strip: Annotated[
        bool, typer.Option("--strip", help="Remove everything that programs do not need to load the file.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Show a file's metadata, or write a copy with other metadata. The tensors stay the same."""
    raise_together(lora_checks.metadata_checks(Arguments(locals())))
    from curate.cli.pairs import pair
    from curate.lora import metadata

    if out is None:
        print_json(metadata.values_of(str(file)))
        return
    given = dict(pair(one, "--set") for one in values or ())
    done = metadata.rewrite(str(file), out, force, given, remove or (), private, strip)
    if as_json:
        print_json({key: {"before": before, "after": after} for key, (before, after) in done.items()})
        return
    for key, (before, after) in done.items():
        set_or_changed = "set" if before is None else "changed"
        print_line(f"{'removed' if after is None else set_or_changed} {key}", err=True)
    print_line(f"wrote {out}", err=True)
