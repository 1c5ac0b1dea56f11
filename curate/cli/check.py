"""`curate check`: what training would do with a folder, and what would go wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from curate import samples
from curate.cli.results import Json, print_json

Checked = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        show_default=False,
        help="A folder of pictures and captions, from curate or any other program, or a dataset.toml of sd-scripts.",
    ),
]


def check_command(
    folder: Checked,
    base: Annotated[
        str, typer.Option(help="Base model to train on: a folder, a checkpoint or a hub name. Default: SDXL.")
    ] = "",
    family: Annotated[str, typer.Option(help="Family of the base model, if the base is not on this machine.")] = "",
    resolution: Annotated[
        str, typer.Option(help="Training resolution, or several: 512,768. Default: the base model's own.")
    ] = "",
    batch: Annotated[
        int, typer.Option(min=0, show_default=False, help="Batch size of the training. Default: that of `train`.")
    ] = 0,
    epochs: Annotated[
        int,
        typer.Option(
            min=0, show_default=False, help="Epochs of the training. Default: each picture is shown 100 times."
        ),
    ] = 0,
    max_tokens: Annotated[
        int,
        typer.Option(min=0, show_default=False, help="Number of caption tokens to use: 75, 150 or 225. Default: 75."),
    ] = 0,
    caption_extension: Annotated[str, typer.Option(help="Extension of caption files. Default: .txt.")] = "",
    reg_folder: Annotated[
        str, typer.Option(help=f"Folder of regularization pictures, or {samples.REGULARIZATION}.")
    ] = "",
    validation_folder: Annotated[Path | None, typer.Option(help="Folder of validation pictures.")] = None,
    vocabulary: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Tags that the base knows: danbooru, e621, none, a file, or auto (by the base)."
        ),
    ] = "auto",
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if there is a trap.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the traps.")] = False,
    as_json: Json = False,
) -> None:
    """Check any folder before training: what a trainer would do with it, and every trap with its remedy."""
    from curate.drive.check import CheckOptions, check

    given: dict[str, Any] = {
        "base": base,
        "family": family,
        "resolution": resolution,
        "batch": batch,
        "epochs": epochs,
        "max_tokens": max_tokens,
        "caption_extension": caption_extension,
    }
    values = {name: value for name, value in given.items() if value}
    regularization = samples.regularization_folder(reg_folder) if reg_folder else None
    result = check(CheckOptions(folder, values, vocabulary, validation_folder, regularization, quiet=quiet))
    if as_json:
        print_json(result.as_dict())
    else:
        from curate.report import checks

        checks.show(result, sys.stdout, only_traps=quiet)
    if strict and result.findings:
        raise typer.Exit(1)
