"""`curate run`, `plan` and `schema`: what works on a pipeline file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.results import Json, Quiet, Strict, close, print_json, print_line, print_warning
from curate.errors import InputError, Interrupted

if TYPE_CHECKING:
    from curate.core.stage import Stage
    from curate.drive import Result
    from curate.pipeline import Pipeline

Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STAGE.OPTION=VALUE",
        help="Change a value for this run only: resize.max_side=768, run.workers=2. Repeatable.",
    ),
]
Until = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")]
Review = Annotated[
    bool,
    typer.Option("--review", help="Pause after export: show the dataset in the browser, and go on once you accept it."),
]
NoBrowser = Annotated[
    bool, typer.Option("--no-browser", help="With --review: only print the address; do not open a browser.")
]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="With --review: port of the page. 0 takes any free port.")
]
PipelineFile = Annotated[
    Path, typer.Argument(metavar="PIPELINE", help="The pipeline file, such as pipeline.yaml.", show_default=False)
]


def run_pipeline(
    pipeline: PipelineFile,
    settings: Sets = None,
    until: Until = None,
    review: Review = False,
    no_browser: NoBrowser = False,
    port: Port = 0,
    as_json: Json = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Run a pipeline, from raw pictures to a prepared folder and a LoRA. Running again continues."""
    from curate.pipeline import load

    loaded = _load(pipeline, settings, until)
    if review:
        _check_pause(loaded)
        _run(load(pipeline, settings or (), "export"), quiet, then=loaded.stages)
        _wait_for_review(loaded, browser=not no_browser, port=port)
    elif no_browser or port:
        raise InputError("--no-browser and --port go with --review", "add --review, or leave them out")
    close(_run(loaded, quiet), as_json, strict)


def _check_pause(pipeline: Pipeline) -> None:
    if "export" not in [stage.name for stage in pipeline.stages]:
        raise InputError(
            "--review shows what `export` writes, and this run has no such stage",
            "add `- export` to the stages, or leave --until out",
        )


def _load(path: Path, settings: Sequence[str] | None, until: str | None) -> Pipeline:
    """The pipeline. An error names what does not fit the base, too, as far as the file says it."""
    from curate.pipeline import PipelineError, load

    try:
        return load(path, settings or (), until)
    except PipelineError as error:
        if not error.stages:
            raise
        from curate.drive.requirements import with_requirements

        raise with_requirements(error) from None


def _run(pipeline: Pipeline, quiet: bool, then: Sequence[Stage] = ()) -> Result:
    from curate.executors.pool import POOL

    if pipeline.run.executor == "local":
        folders = [one for one in pipeline.input if isinstance(one, Path)]
        POOL.start_ahead(pipeline.stages, folders, pipeline.output, pipeline.run.workers)
    from curate import drive

    return drive.run(pipeline, quiet=quiet, then=then)


def _wait_for_review(pipeline: Pipeline, *, browser: bool, port: int) -> None:
    """Shows the prepared folder until the user accepts it. Raises Interrupted where Ctrl-C ends that."""
    from curate.drive.check_process import check_in_process
    from curate.review.opened import of_pipeline
    from curate.review.serve import serve

    folder, base, tokenizer = of_pipeline(pipeline)

    def tell(address: str) -> None:
        waits = "the run waits: press 'Accept and continue' there, or Ctrl-C here to stop"
        print_line(f"reviewing {folder} at {address}", err=True)
        typer.echo(waits, err=True)

    accepted = serve(
        folder, tell, port=port, browser=browser, base=base, tokenizer=tokenizer, waits=True, checker=check_in_process
    )
    if not accepted:
        raise Interrupted("stopped before you accepted the dataset", "run the same command to see it again")


def plan_pipeline(
    pipeline: PipelineFile,
    settings: Sets = None,
    until: Until = None,
    review: Annotated[
        bool, typer.Option("--review", help="Plan a run that pauses after export, where you may write captions.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which work a run would do and which is already done, without running anything."""
    from curate import drive

    loaded = _load(pipeline, settings, until)
    if review:
        _check_pause(loaded)
    rows = drive.plan(loaded, print_warning, pauses=review)
    if as_json:
        print_json([dataclasses.asdict(row) for row in rows])
        return
    width = max(len(row.title) for row in rows)
    typer.echo(f"{'stage':<{width}}  {'to do':>8}  {'done':>8}  {'open':>8}")
    for row in rows:
        print_line(f"{row.title:<{width}}  {row.compute:>8,}  {row.recalled:>8,}  {row.unknown:>8,}")
    if any(row.unknown for row in rows):
        typer.echo("to do: pictures that the run would process; done: pictures that an earlier run processed")
        typer.echo("open: known only after an earlier stage has run")


def print_schema() -> None:
    """Print the JSON schema of pipeline.yaml, for editors."""
    from curate.pipeline import schema

    print_json(schema())
