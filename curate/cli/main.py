"""The command line: `curate run`, every stage as a command of its own, and what helps around them."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args

import typer

from curate.cli.help import Group, command_class
from curate.cli.pairs import pair
from curate.cli.results import Json, Quiet, Strict, close
from curate.core import registry
from curate.core.counting import counted
from curate.core.kinds import Kind
from curate.errors import CurateError, InputError, MissingError, unloadable

HELP = """Raw pictures in; a balanced, captioned dataset and a trained LoRA out.

`curate init` writes a pipeline.yaml and `curate run` runs it. Every stage is also a command for plain folders.
Your source pictures are never modified. Running again continues. What you edit by hand is kept.
"""

app = typer.Typer(
    name="curate",
    cls=Group,
    help=HELP,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

_STAGES = "Stages, each also a command for plain folders"

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="STAGE.OPTION=VALUE", help="Change an option of the file. Repeatable."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")]
PipelineFile = Annotated[
    Path, typer.Argument(metavar="PIPELINE", help="The pipeline file, such as pipeline.yaml.", show_default=False)
]


@app.callback(invoke_without_command=True)
def start(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code an error came from.")] = False,
) -> None:
    """See HELP; `--traceback` is taken off the arguments in `main`, so that it may stand anywhere."""
    if version:
        _print_version()
        raise typer.Exit


def _print_version() -> None:
    from importlib.metadata import version

    typer.echo(f"curate {version('curate')}")


@app.command("init", rich_help_panel="Pipeline")
def init_command(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="FOLDER",
            help="Folder of pictures, or builtin:sample for the ones that come with curate.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The file to write.")] = Path(
        "pipeline.yaml"
    ),
    output: Annotated[
        str | None, typer.Option("--prepared", metavar="FOLDER", help="Output folder of the pipeline.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="[CONCEPT=]KIND",
            help=f"What to learn: {', '.join(get_args(Kind))}; for one concept or for all. Repeatable.",
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Base model: a checkpoint, a diffusers folder, a hub name, or tiny.")
    ] = None,
    family: Annotated[
        str | None, typer.Option("--family", help="Family of the base, if its name does not show it: sd1, sdxl …")
    ] = None,
    gpu: Annotated[
        float | None, typer.Option("--gpu", metavar="GIB", help="GPU memory in GiB; 0 without a GPU.")
    ] = None,
    trigger: Annotated[
        list[str] | None,
        typer.Option("--trigger", metavar="CONCEPT=WORDS", help="Trigger words of a concept. Repeatable."),
    ] = None,
    from_kohya: Annotated[
        list[str] | None,
        typer.Option(
            "--from-kohya",
            metavar="FILE",
            help="Use kohya's training settings: a file with a pasted command, a TOML or the GUI's JSON. Repeatable.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a commented pipeline.yaml for your pictures. Asks for everything that the options leave open."""
    from curate import init

    pairs = dict(pair(one, "--trigger") for one in trigger or ())
    interactive = sys.stdin.isatty() and sys.stderr.isatty()
    init.check_target(target, force=force)
    kohya = init.training(from_kohya, base) if from_kohya else init.Training()
    source, base, family = source or kohya.pictures, base or kohya.base, family or kohya.family
    given = init.Given(source, output, _kinds(kind or ()), base, gpu, pairs, family)
    answers = init.ask(given, target, interactive=interactive)
    if kohya.lines:
        answers = dataclasses.replace(answers, prompts="")
    init.write(target, init.pipeline_text(answers, kohya.lines), force=force)
    prompts = init.write_prompts(target, answers)
    for caution in init.cautions(answers):
        _say(caution)
    beside = f" and {prompts}" if prompts else ""
    typer.echo(f"wrote {target}{beside}; next: curate run {target}", err=True)


def _kinds(given: Sequence[str]) -> dict[str, Kind]:
    """KIND or CONCEPT=KIND as a mapping; "" stands for all concepts. Raises InputError for an unknown kind."""
    kinds: dict[str, Kind] = {}
    for one in given:
        concept, _, name = one.rpartition("=")
        kind = next((kind for kind in get_args(Kind) if kind == name.strip()), None)
        if kind is None:
            raise InputError(f'--kind: unknown kind "{name}"', registry.nearest(name, get_args(Kind)))
        kinds[concept.strip()] = kind
    return kinds


@app.command("run", rich_help_panel="Pipeline")
def run_pipeline(
    pipeline: PipelineFile,
    settings: Sets = None,
    until: Until = None,
    as_json: Json = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Run a pipeline: raw pictures in, prepared folder and LoRA out. Running again continues."""
    from curate.executors.pool import POOL
    from curate.pipeline import load

    loaded = load(pipeline, settings or (), until)
    POOL.start_ahead(loaded.stages, loaded.input, loaded.output, loaded.run.workers)
    from curate import drive

    close(drive.run(loaded, quiet=quiet), as_json, strict)


@app.command("plan", rich_help_panel="Pipeline")
def plan_pipeline(pipeline: PipelineFile, settings: Sets = None, until: Until = None, as_json: Json = False) -> None:
    """Show what a run would compute and what earlier runs have already computed. Computes nothing."""
    import dataclasses

    from curate import drive
    from curate.core.events import Event, Note
    from curate.pipeline import load
    from curate.report.text import visible

    def tell(event: Event) -> None:
        if isinstance(event, Note) and event.level == "warning":
            place = f" ({visible(event.key)})" if event.key else ""
            typer.echo(f"warning: {visible(event.message)}{place}", err=True)

    rows = drive.plan(load(pipeline, settings or (), until), tell)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    width = max(len(row.title) for row in rows)
    typer.echo(f"{'stage':<{width}}  {'to do':>8}  {'known':>8}  {'unclear':>8}")
    for row in rows:
        typer.echo(f"{row.title:<{width}}  {row.compute:>8,}  {row.recalled:>8,}  {row.unknown:>8,}")
    if any(row.unknown for row in rows):
        typer.echo("to do: pictures that a run computes; known: those an earlier run computed")
        typer.echo("unclear: depends on what an earlier stage makes of the picture")


@app.command("schema", rich_help_panel="Pipeline")
def print_schema() -> None:
    """Print the JSON schema of pipeline.yaml, for editors."""
    from curate.pipeline import schema

    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))


@app.command("undo", rich_help_panel="Folders")
def undo_command(folder: Annotated[Path, typer.Argument(help="The folder that was changed in place.")]) -> None:
    """Undo the last command that changed a folder in place."""
    from curate import drive

    what, files = drive.undo(folder)
    typer.echo(f"undone: curate {what} ({counted(files, 'file')} put back)", err=True)


@app.command("report", rich_help_panel="Folders")
def report_command(
    folder: Annotated[Path, typer.Argument(help="A prepared folder.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="File to write. Default: .curate/report.html in the folder."),
    ] = None,
) -> None:
    """Write a report on the health of a prepared folder: one HTML page, with everything in it."""
    from curate import drive

    path = out or folder / drive.REPORT
    count = drive.report(folder, path)
    typer.echo(f"wrote {path} ({counted(count, 'picture')})", err=True)


@app.command("doctor", rich_help_panel="This machine")
def doctor_command(as_json: Json = False) -> None:
    """Show what this machine can do (GPU, memory, models on disk) and how to fix what is missing."""
    from curate import doctor

    found = doctor.examine(Path.cwd())
    if as_json:
        typer.echo(json.dumps(doctor.as_dict(found), indent=2, ensure_ascii=False))
    else:
        doctor.show(found, sys.stdout)
    if any(problem.level == "error" for problem in doctor.problems(found)):
        raise typer.Exit(MissingError.exit_code)


@app.command("consent", rich_help_panel="Folders")
def consent_command(
    folder: Annotated[Path, typer.Argument(help="A folder of pictures, read only.")], as_json: Json = False
) -> None:
    """List the pictures whose files refuse AI training or cannot be checked for it, with the reason."""
    from curate import drive

    rows = drive.consent_of(folder)
    counts = {
        answer: sum(one.answer == answer for _, one in rows) for answer in ("refused", "unchecked", "not-refused")
    }
    named = [(path, one) for path, one in rows if one.answer != "not-refused"]
    if as_json:
        pictures = [{"path": str(path), "answer": one.answer, "reason": one.reason} for path, one in named]
        typer.echo(json.dumps({"counts": counts, "pictures": pictures}, indent=2, ensure_ascii=False))
        return
    for path, one in named:
        typer.echo(f"{path}\t{'' if one.answer == 'refused' else 'could not be checked: '}{one.reason}")
    typer.echo(
        f"{counts['refused']} refuse AI training, {counts['unchecked']} could not be checked, "
        f"{counts['not-refused']} do not refuse",
        err=True,
    )


def _short(text: str) -> str:
    return text.strip().splitlines()[0]


def _mount(arguments: Sequence[str]) -> None:
    """Adds the stages' commands: all of them for a help page, else the one that is called (others cost import time)."""
    for command in app.registered_commands:
        command.short_help = command.short_help or _short((command.callback and command.callback.__doc__) or "")
    called = next((a for a in arguments if not a.startswith("-")), None)
    if called in (None, "tags", "models") or called not in _known():
        from curate.cli import models, tags

        app.add_typer(tags.app, short_help=tags.app.info.help, rich_help_panel="Folders")
        app.add_typer(models.app, short_help=models.app.info.help, rich_help_panel="This machine")
    for name in registry.stage_names():
        if called == name:
            from curate.cli.stages import stage_command

            stage = registry.stage(name)
            app.command(
                name, cls=command_class(stage.usual), short_help=_short(stage.__doc__ or name), rich_help_panel=_STAGES
            )(stage_command(name, stage))
        elif called not in _known():
            app.command(name, short_help=registry.stage_summary(name), rich_help_panel=_STAGES)(_only_listed)


def _only_listed() -> None:
    """Stands for a stage's command on the page that lists all of them, where it cannot be called."""
    raise AssertionError("a stage that is called has its own command")


def _known() -> set[str]:
    own = {command.name or "" for command in app.registered_commands} | {
        group.name or "" for group in app.registered_groups
    }
    return own | {"tags", "models"} | set(registry.stage_names())


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Errors become one message and an exit code; `--traceback` may stand anywhere."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    show_traceback = "--traceback" in given
    given = [a for a in given if a != "--traceback"]
    if sys.stderr is None:  # closed by the caller, as cron does
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 – for the rest of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    refused = _Refusal("--json" in given, show_traceback)
    try:
        if given == ["--version"]:  # typer loads pydantic to read any argument but --help
            _print_version()
            return
        _mount(given)
        code = app(args=given, prog_name="curate", standalone_mode=False)
    except (CurateError, ImportError) as error:
        known = unloadable(error) if isinstance(error, ImportError) else error
        refused.end(known.exit_code, known.message, known.remedy)
    except KeyboardInterrupt:
        refused.end(130, "stopped", "run the same command again to continue: what is done is kept")
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None
    except OSError as error:
        refused.end(1, f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
    except Exception as error:
        if type(error).__name__ == "Abort":  # a question was answered by the end of the input
            refused.end(1, "aborted")
        if hasattr(error, "format_message"):  # wrong words on the command line
            refused.usage(error)
        refused.end(
            1,
            f"unexpected {type(error).__name__}: {error}",
            "this is a fault in curate: --traceback shows where; what was done is kept",
        )
    raise SystemExit(code if isinstance(code, int) else 0)


class _Refusal:
    """Ends a command that did not do what was asked: a message on stderr, and with --json an object on stdout."""

    def __init__(self, as_json: bool, show_traceback: bool) -> None:
        self._as_json, self._show_traceback = as_json, show_traceback

    def end(self, code: int, message: str, remedy: str = "") -> NoReturn:
        """Prints and exits."""
        if self._show_traceback and code != 130:
            traceback.print_exc()
        _say(message + (f"\n  {remedy}" if remedy else ""))
        self._json(code, message, remedy)
        raise SystemExit(code) from None

    def usage(self, error: Any) -> NoReturn:
        """What the parser of the command line says, with the usage above it as it prints it."""
        error.show()
        self._json(error.exit_code, error.format_message(), "")
        raise SystemExit(error.exit_code) from None

    def _json(self, code: int, message: str, remedy: str) -> None:
        if self._as_json and sys.stdout is not None:
            status = {130: "interrupted", 2: "refused", 3: "refused"}.get(code, "failed")
            row = {"status": status, "error": message, "remedy": remedy, "exit_code": code}
            typer.echo(json.dumps(row, indent=2, ensure_ascii=False))


def _say(message: str) -> None:
    print(f"curate: {message}", file=sys.stderr)  # noqa: T201
