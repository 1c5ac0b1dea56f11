"""`curate review`: the local web page on which a dataset is seen and corrected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.results import print_line

Target = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER|PIPELINE",
        help="A folder of pictures and captions, or a pipeline file, whose output folder is opened.",
        show_default=False,
    ),
]


def review_command(
    target: Target,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address; do not open a browser.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the page. 0 takes any free port.")] = 0,
    show: Annotated[
        str,
        typer.Option(metavar="CHECK", help="Show the pictures that a check finds; the report names them."),
    ] = "",
    base: Annotated[
        str,
        typer.Option(
            help="Base model by which the page counts tokens: a file, a folder or a hub name. "
            "Default: that of the pipeline or of the last training."
        ),
    ] = "",
) -> None:
    """See and correct a dataset in the browser: tags, captions, crops, masks, concepts, and which pictures are in it.

    The page is for this computer alone. Every change is saved at once, counts as your edit, and `curate undo`
    reverts it. Your source pictures stay as they are: the next run carries out crops, turns and moves.
    Ctrl-C ends the page.
    """
    from curate.drive.check_process import check_in_process
    from curate.review.check_results import check_named
    from curate.review.opened import opened
    from curate.review.serve import serve

    check = check_named(show) if show else ""

    folder, base, tokenizer = opened(target, base)
    serve(
        folder,
        lambda address: print_line(f"reviewing {folder} at {address}"),
        port=port,
        browser=not no_browser,
        base=base,
        tokenizer=tokenizer,
        checker=check_in_process,
        show=check,
    )
