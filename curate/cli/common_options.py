"""Common options: what every stage's command takes besides the stage's own fields."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from curate.cli.help import EVERY_STAGE, HELP_ALL, show_all
from curate.cli.results import json_option, quiet_option, strict_option
from curate.core.caption_options import ENCODING_HELP, FORM_HELP, CaptionForm

SOURCE = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", help="A folder of pictures; its sub-folders are concepts.", show_default=False),
]
PRINT_CONFIG = Annotated[
    bool,
    typer.Option(
        "--print-config",
        help="Show every option with its source, and the number of steps, time and memory. Does not train.",
        rich_help_panel=EVERY_STAGE,
    ),
]
HELP_ALL_OPTION = Annotated[
    bool, typer.Option(HELP_ALL, help="Show every option and exit.", is_eager=True, callback=show_all)
]
COMMON: Mapping[str, tuple[Any, Any]] = {
    "out": (
        Annotated[
            Path | None,
            typer.Option("-o", "--out", metavar="OUT", help="Write to this folder.", rich_help_panel=EVERY_STAGE),
        ],
        None,
    ),
    "in_place": (
        Annotated[
            bool,
            typer.Option(
                "--in-place", help="Change FOLDER itself. `curate undo` reverts it.", rich_help_panel=EVERY_STAGE
            ),
        ],
        False,
    ),
    "dry_run": (
        Annotated[
            bool,
            typer.Option(
                "--dry-run", help="Show what would change without writing anything.", rich_help_panel=EVERY_STAGE
            ),
        ],
        False,
    ),
    "concept": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--concept", metavar="NAME", help="Only this concept. Repeatable.", rich_help_panel=EVERY_STAGE
            ),
        ],
        None,
    ),
    "concepts": (
        Annotated[
            Path | None,
            typer.Option(
                "--concepts",
                metavar="YAML",
                help="Read `concepts:` and `consent:` from this pipeline file.",
                rich_help_panel=EVERY_STAGE,
            ),
        ],
        None,
    ),
    "consent": (
        Annotated[
            Literal["keep-unchecked", "i-hold-the-rights"] | None,
            typer.Option(
                "--consent",
                help="By default, pictures marked 'no AI training', or that cannot be checked for it, are left out. "
                "keep-unchecked keeps the second group; i-hold-the-rights keeps both.",
                rich_help_panel=EVERY_STAGE,
            ),
        ],
        None,
    ),
    "caption_form": (
        Annotated[CaptionForm | None, typer.Option("--caption-form", help=FORM_HELP, rich_help_panel=EVERY_STAGE)],
        None,
    ),
    "caption_encoding": (
        Annotated[str | None, typer.Option("--caption-encoding", help=ENCODING_HELP, rich_help_panel=EVERY_STAGE)],
        None,
    ),
    "workers": (
        Annotated[
            str | None, typer.Option("--workers", help="Number of processes, or auto.", rich_help_panel=EVERY_STAGE)
        ],
        None,
    ),
    "device": (
        Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.", rich_help_panel=EVERY_STAGE)],
        None,
    ),
    "require_gpu": (
        Annotated[
            bool | None,
            typer.Option("--require-gpu", help="Stop instead of using the CPU.", rich_help_panel=EVERY_STAGE),
        ],
        None,
    ),
    "offline": (
        Annotated[
            bool | None, typer.Option("--offline", help="Do not download anything.", rich_help_panel=EVERY_STAGE)
        ],
        None,
    ),
    "as_json": (Annotated[bool, json_option(EVERY_STAGE)], False),
    "strict": (Annotated[bool, strict_option(EVERY_STAGE)], False),
    "quiet": (Annotated[bool, quiet_option(EVERY_STAGE)], False),
}
"""Parameter name -> (annotation, default)."""
