"""`curate check`: what training would do with a folder, and what would go wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from curate import samples
from curate.cli.results import Json, print_json
from curate.cli.usage_errors import Arguments
from curate.core.findings import raise_together
from curate.errors import InputError

_TRAINING = ("base", "family", "resolution", "batch", "epochs", "max_tokens", "caption_extension")
"""Options of the command that are options of the training."""
Checked = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        show_default=False,
        help="A folder of pictures and captions, from curate or any other program, or a dataset.toml of sd-scripts.",
    ),
]


def check_checks(given: Arguments) -> Iterator[Callable[[], object]]:
    """What is wrong with the folders and the training options of `curate check`."""
    yield lambda: given["folder"] is None or _check_place(given["folder"])
    yield lambda: _training_values(given.values_read, given.wrong)
    yield lambda: samples.regularization_folder(given["reg_folder"]) if given["reg_folder"] else None


def _check_place(folder: Path) -> None:
    if not folder.exists():
        raise InputError(f"{folder} does not exist", "give a folder of pictures, or a dataset.toml")


def _training_values(given: Mapping[str, Any], wrong: Collection[str] = ()) -> dict[str, Any]:
    """The options of the training that the user gave. Raises InputError for a wrong one."""
    from curate.cli.stages import validated
    from curate.train.options import TrainOptions

    values = {name: given[name] for name in _TRAINING if given.get(name)}
    validated("check", TrainOptions, values, wrong)
    return values


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

    given = (base, family, resolution, batch, epochs, max_tokens, caption_extension)
    found = Arguments({"folder": folder, "reg_folder": reg_folder, **dict(zip(_TRAINING, given, strict=True))})
    raise_together(check_checks(found))
    values = _training_values(found)
    regularization = samples.regularization_folder(reg_folder) if reg_folder else None
    result = check(CheckOptions(folder, values, vocabulary, validation_folder, regularization, quiet=quiet))
    if as_json:
        print_json(result.as_dict())
    else:
        from curate.report import checks

        checks.show(result, sys.stdout, only_traps=quiet)
    if strict and result.findings:
        raise typer.Exit(1)
