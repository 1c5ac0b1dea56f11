"""`curate run`, `plan` and `schema`: what works on a pipeline file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from curate.cli.results import Json, Quiet, Strict, close, print_json, print_warning

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STAGE.OPTION=VALUE",
        help="Change a value for this run only: resize.max_side=768, run.workers=2. Repeatable.",
    ),
]
Until = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")]
PipelineFile = Annotated[
    Path, typer.Argument(metavar="PIPELINE", help="The pipeline file, such as pipeline.yaml.", show_default=False)
]


def run_pipeline(
    pipeline: PipelineFile,
    settings: Sets = None,
    until: Until = None,
    as_json: Json = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Run a pipeline, from raw pictures to a prepared folder and a LoRA. Running again continues."""
    from curate.executors.pool import POOL
    from curate.pipeline import load

    loaded = load(pipeline, settings or (), until)
    POOL.start_ahead(loaded.stages, loaded.input, loaded.output, loaded.run.workers)
    from curate import drive

    close(drive.run(loaded, quiet=quiet), as_json, strict)


def plan_pipeline(pipeline: PipelineFile, settings: Sets = None, until: Until = None, as_json: Json = False) -> None:
    """Show which work a run would do and which is already done, without running anything."""
    from curate import drive
    from curate.pipeline import load

    rows = drive.plan(load(pipeline, settings or (), until), print_warning)
    if as_json:
        print_json([dataclasses.asdict(row) for row in rows])
        return
    width = max(len(row.title) for row in rows)
    typer.echo(f"{'stage':<{width}}  {'to do':>8}  {'done':>8}  {'open':>8}")
    for row in rows:
        typer.echo(f"{row.title:<{width}}  {row.compute:>8,}  {row.recalled:>8,}  {row.unknown:>8,}")
    if any(row.unknown for row in rows):
        typer.echo("to do: pictures that the run would process; done: pictures that an earlier run processed")
        typer.echo("open: known only after an earlier stage has run")


def print_schema() -> None:
    """Print the JSON schema of pipeline.yaml, for editors."""
    from curate.pipeline import schema

    print_json(schema())
