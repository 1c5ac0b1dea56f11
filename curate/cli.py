"""The command line: `curate run`, every stage as a command of its own, and what helps around them."""

from __future__ import annotations

import inspect
import io
import json
import os
import sys
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from curate.core import registry
from curate.core.stage import Concept, Kind, Stage, adds_only
from curate.errors import CurateError, InputError

if TYPE_CHECKING:
    from curate.drive import Result

HELP = """Raw pictures in; a balanced, captioned dataset and a trained LoRA out.

`curate init` writes a pipeline.yaml, `curate run` carries it out; every stage is also a command over plain folders.
Sources are never modified, running again continues, and what you edit by hand is kept.
"""

app = typer.Typer(
    name="curate",
    help=HELP,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show only what was set aside and warnings.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 if a picture was set aside.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="STAGE.OPTION=VALUE", help="Change an option of the file; repeatable.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.")]
PipelineFile = Annotated[Path, typer.Argument(metavar="PIPELINE", help="The pipeline.yaml.", show_default=False)]


@app.callback(invoke_without_command=True)
def start(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where in the code an error came from.")] = False,
) -> None:
    """See HELP; `--traceback` is taken off the arguments in `main`, so that it may stand anywhere."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"curate {installed('curate')}")
        raise typer.Exit


@app.command("init", rich_help_panel="Pipeline")
def init_command(
    source: Annotated[
        str | None, typer.Argument(metavar="FOLDER", help="The folder of pictures, or builtin:sample.", show_default=False)
    ] = None,
    target: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The file to write.")] = Path("pipeline.yaml"),
    output: Annotated[
        str | None, typer.Option("--prepared", metavar="FOLDER", help="The folder that runs will write to.")
    ] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="What is learnt.")] = None,
    base: Annotated[str | None, typer.Option("--base", help="Base model: a hub name, a folder, or tiny.")] = None,
    gpu: Annotated[float | None, typer.Option("--gpu", metavar="GIB", help="GPU memory; 0 without a GPU.")] = None,
    trigger: Annotated[
        list[str] | None, typer.Option("--trigger", metavar="CONCEPT=WORDS", help="Trigger words of a concept; repeatable.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a commented pipeline.yaml for your pictures; asks for what the options do not say."""
    from curate import init

    pairs = dict(_pair(one, "--trigger") for one in trigger or ())
    interactive = sys.stdin.isatty() and sys.stderr.isatty()
    answers = init.ask(init.Given(source, output, kind, base, gpu, pairs), target, interactive=interactive)
    init.write(target, init.pipeline_text(answers), force=force)
    for caution in init.cautions(answers):
        _say(caution)
    typer.echo(f"wrote {target}; next: curate run {target}", err=True)


@app.command("run", rich_help_panel="Pipeline")
def run_pipeline(
    pipeline: PipelineFile,
    settings: Sets = None,
    until: Until = None,
    as_json: Json = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Carry out a pipeline: raw pictures in, prepared folder and LoRA out. Running again continues."""
    from curate import drive
    from curate.pipeline import load

    _close(drive.run(load(pipeline, settings or (), until), quiet=quiet), as_json, strict)


@app.command("plan", rich_help_panel="Pipeline")
def plan_pipeline(pipeline: PipelineFile, settings: Sets = None, until: Until = None, as_json: Json = False) -> None:
    """Show what a run would compute and what is known already, without doing anything."""
    import dataclasses

    from curate import drive
    from curate.pipeline import load

    rows = drive.plan(load(pipeline, settings or (), until))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    width = max(len(row.stage) for row in rows)
    typer.echo(f"{'stage':<{width}}  {'compute':>8}  {'recalled':>8}  {'open':>8}")
    for row in rows:
        typer.echo(f"{row.stage:<{width}}  {row.compute:>8,}  {row.recalled:>8,}  {row.unknown:>8,}")
    if any(row.unknown for row in rows):
        typer.echo("open: depends on what an earlier stage makes of the picture")


@app.command("schema", rich_help_panel="Pipeline")
def print_schema() -> None:
    """Print the JSON schema of pipeline.yaml, for editors."""
    from curate.pipeline import schema

    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))


@app.command("undo", rich_help_panel="Folders")
def undo_command(folder: Annotated[Path, typer.Argument(help="The folder that was changed in place.")]) -> None:
    """Take back the last command that changed a folder in place."""
    from curate import drive

    what, files = drive.undo(folder)
    typer.echo(f"undone: curate {what} ({files} files put back)", err=True)


@app.command("report", rich_help_panel="Folders")
def report_command(
    folder: Annotated[Path, typer.Argument(help="A prepared folder.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where to write; by default beside the ledger.")
    ] = None,
) -> None:
    """Write the health report of a prepared folder as it is now: one HTML page that needs nothing else."""
    from curate import drive

    path = out or folder / drive.REPORT
    count = drive.report(folder, path)
    typer.echo(f"wrote {path} ({count} pictures)", err=True)


@app.command("doctor", rich_help_panel="This machine")
def doctor_command(as_json: Json = False) -> None:
    """Show what this machine can do: GPU, memory, models on disk, and the remedy for what is missing."""
    from curate import doctor

    found = doctor.examine(Path.cwd())
    if as_json:
        typer.echo(json.dumps(doctor.as_dict(found), indent=2, ensure_ascii=False))
    else:
        doctor.show(found, sys.stdout)


@app.command("consent", rich_help_panel="Folders")
def consent_command(
    folder: Annotated[Path, typer.Argument(help="A folder of pictures, read only.")], as_json: Json = False
) -> None:
    """List the pictures whose files refuse AI training, with the mark that says so."""
    from curate import drive

    rows = drive.refusals(folder)
    if as_json:
        typer.echo(json.dumps([{"path": str(path), "mark": mark} for path, mark in rows], indent=2, ensure_ascii=False))
        return
    for path, mark in rows:
        typer.echo(f"{path}\t{mark}")
    typer.echo(f"{len(rows)} refuse AI training", err=True)


# stages as commands --------------------------------------------------------------------------------------------------------


def _stage_command(name: str, stage: type[Stage]) -> Callable[..., None]:
    """A command whose options are the stage's fields, typed and explained as they are there."""
    fields = {field: _option(field, info) for field, info in stage.model_fields.items()}

    def carry_out(**given: Any) -> None:
        from curate import drive
        from curate.pipeline import RunOptions

        options = {k: _parsed(stage.model_fields[k], v, k) for k in fields if (v := given.pop(k)) not in (None, [])}
        as_json, strict = given["as_json"], given["strict"]
        run_options = {k: given[k] for k in ("workers", "device", "require_gpu", "offline") if given.get(k) is not None}
        concepts, rights = _concepts_of(given["concepts"])
        result = drive.command(
            drive.Command(
                stage=_validated(name, stage, options),
                source=given["source"],
                out=given.get("out"),
                in_place=given.get("in_place", False),
                only=tuple(given.get("concept") or ()),
                concepts=concepts,
                rights=rights or given["consent"] is not None,
                options=_validated("run", RunOptions, run_options),
                quiet=given["quiet"],
            )
        )
        _close(result, as_json, strict)

    carry_out.__doc__ = (stage.__doc__ or name).strip()
    carry_out.__name__ = name
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("source", positional, annotation=_SOURCE)]
    parameters += [inspect.Parameter(f, positional, default=None, annotation=a) for f, a in fields.items()]
    unwanted = ("out", "in_place") if stage.looks else ("out", "in_place", "concept") if adds_only(stage) else ()
    common = {f: c for f, c in _COMMON.items() if f not in unwanted}
    parameters += [inspect.Parameter(f, positional, default=d, annotation=a) for f, (a, d) in common.items()]
    carry_out.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return carry_out


_SOURCE = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="A folder of pictures; its sub-folders are concepts.", show_default=False)
]
_PANEL = "Every stage"
_COMMON: Mapping[str, tuple[Any, Any]] = {
    "out": (
        Annotated[
            Path | None, typer.Option("-o", "--out", metavar="OUT", help="Write to this folder.", rich_help_panel=_PANEL)
        ],
        None,
    ),
    "in_place": (
        Annotated[
            bool, typer.Option("--in-place", help="Change FOLDER itself; `curate undo` takes it back.", rich_help_panel=_PANEL)
        ],
        False,
    ),
    "concept": (
        Annotated[
            list[str] | None,
            typer.Option("--concept", metavar="NAME", help="Only this concept; repeatable.", rich_help_panel=_PANEL),
        ],
        None,
    ),
    "concepts": (
        Annotated[
            Path | None,
            typer.Option(
                "--concepts", metavar="YAML", help="Take concepts: and consent: from this pipeline.", rich_help_panel=_PANEL
            ),
        ],
        None,
    ),
    "consent": (
        Annotated[
            Literal["i-hold-the-rights"] | None,
            typer.Option("--consent", help="Include pictures that refuse AI training.", rich_help_panel=_PANEL),
        ],
        None,
    ),
    "workers": (
        Annotated[str | None, typer.Option("--workers", help="auto, or a number of processes.", rich_help_panel=_PANEL)],
        None,
    ),
    "device": (
        Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.", rich_help_panel=_PANEL)],
        None,
    ),
    "require_gpu": (
        Annotated[bool | None, typer.Option("--require-gpu", help="Stop rather than use the CPU.", rich_help_panel=_PANEL)],
        None,
    ),
    "offline": (Annotated[bool | None, typer.Option("--offline", help="Never ask a model hub.", rich_help_panel=_PANEL)], None),
    "as_json": (Json, False),
    "strict": (Strict, False),
    "quiet": (Quiet, False),
}


def _option(name: str, info: FieldInfo) -> Any:
    """The typer annotation of a stage's field: simple types as they are, lists repeated, mappings as KEY=VALUE."""
    flag = "--" + name.replace("_", "-")
    default = info.get_default(call_default_factory=True)
    shown = (
        None
        if default in (None, (), [], {}, "")
        else str(default)
        if not isinstance(default, (tuple, list))
        else ", ".join(map(str, default))
    )
    text = (info.description or "") + (f" [default: {shown}]" if shown is not None and not isinstance(default, bool) else "")
    kind = _simple(info.annotation)
    if kind is bool:
        text += f" [default: {'on' if default else 'off'}]"
        return Annotated[bool | None, typer.Option(f"{flag}/--no-{name.replace('_', '-')}", help=text, show_default=False)]
    if get_origin(kind) is list:
        choices = [
            str(c) for m in _union(info.annotation) for a in get_args(m) if get_origin(a) is Literal for c in get_args(a)
        ]
        text += f" One of {', '.join(choices)}." if choices else ""
        metavar = "KEY=VALUE" if _mapping(info.annotation) else None
        return Annotated[kind | None, typer.Option(flag, help=text + " Repeatable.", show_default=False, metavar=metavar)]
    return Annotated[kind | None, typer.Option(flag, help=text, show_default=False)]


def _union(annotation: Any) -> list[Any]:
    """The members of a union without None; the annotation alone where it is none."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [a for a in get_args(annotation) if a is not type(None)]
    return [annotation]


def _simple(annotation: Any) -> Any:
    members = _union(annotation)
    if len(members) != 1:
        return list[str] if any(get_origin(m) in (tuple, list) for m in members) else str
    only = members[0]
    if get_origin(only) is Annotated:
        return _simple(get_args(only)[0])
    if only in (bool, int, float, str) or get_origin(only) is Literal:
        return only
    if get_origin(only) in (tuple, list):
        inner = _simple(get_args(only)[0]) if get_args(only) else str
        return list[inner if inner in (int, float) else str]
    return list[str] if get_origin(only) in (dict, Mapping) else str


def _mapping(annotation: Any) -> bool:
    return any(get_origin(m) in (dict, Mapping) for m in _union(annotation))


def _parsed(info: FieldInfo, value: Any, name: str) -> Any:
    """What the user typed, as the field takes it: KEY=VALUE pairs become a mapping, `a, b` in a value a list."""
    if not _mapping(info.annotation):
        return value
    pairs: dict[str, Any] = {}
    for one in value:
        key, text = _pair(one, f"--{name.replace('_', '-')}")
        pairs[key] = _plain(text)
    return pairs


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{option} takes NAME=VALUE, found {text!r}")
    return key.strip(), value.strip()


def _plain(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        return YAML(typ="safe", pure=True).load(f"[{text}]" if "," in text and not text.startswith(("[", "{")) else text)
    except MarkedYAMLError:
        return text


def _validated(name: str, model: type[Any], options: dict[str, Any]) -> Any:
    from curate.pipeline import explain

    try:
        made = model(**options)
        wrong = made.problems() if isinstance(made, Stage) else {}
        if wrong:
            raise InputError("\n".join(f"--{option.replace('_', '-')}: {what}" for option, what in wrong.items()))
        return made
    except ValidationError as error:
        lines = [f"--{'.'.join(map(str, e['loc'])).replace('_', '-') or name}: {explain(e)}" for e in error.errors()]
        raise InputError("\n".join(lines), f"`curate {name} --help` lists the options" if name != "run" else "") from error


def _concepts_of(path: Path | None) -> tuple[dict[str, Concept], bool]:
    if path is None:
        return {}, False
    from curate.pipeline import load

    pipeline = load(path)
    return pipeline.concepts, pipeline.consent


def _close(result: Result, as_json: bool, strict: bool) -> None:
    if as_json and sys.stdout is None:
        raise InputError("the result cannot be printed: standard output is closed")
    if as_json:
        found = {"findings": result.findings.data} if result.findings else {}
        typer.echo(json.dumps(result.figures | found, indent=2, ensure_ascii=False))
    elif result.findings:
        from curate.report import table

        typer.echo(table.findings(result.findings))
    if strict and result.figures["aside"]:
        raise typer.Exit(1)


def _short(text: str) -> str:
    return text.strip().splitlines()[0]


def _panel(stage: type[Stage]) -> str:
    from curate.core.stage import DatasetStage

    if "image" in stage.writes:
        return "Picture stages"
    return "Dataset stages" if issubclass(stage, DatasetStage) else "Caption stages"


def _mount(arguments: Sequence[str]) -> None:
    """Adds the stages' commands: all of them for a help page, else the one that is called (others cost import time)."""
    for command in app.registered_commands:
        command.short_help = command.short_help or _short((command.callback and command.callback.__doc__) or "")
    called = next((a for a in arguments if not a.startswith("-")), None)
    if called in (None, "tags", "models") or called not in _known():
        from curate import tags_cli

        app.add_typer(tags_cli.app, short_help=tags_cli.app.info.help, rich_help_panel="Folders")
        app.add_typer(tags_cli.models_app, short_help=tags_cli.models_app.info.help, rich_help_panel="This machine")
    for name in registry.stage_names():
        if called in (None, name) or called not in _known():
            stage = registry.stage(name)
            app.command(name, short_help=_short(stage.__doc__ or name), rich_help_panel=_panel(stage))(
                _stage_command(name, stage)
            )


def _known() -> set[str]:
    own = {command.name or "" for command in app.registered_commands} | {group.name or "" for group in app.registered_groups}
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
    try:
        _mount(given)
        app(args=given, prog_name="curate", standalone_mode=True)
    except CurateError as error:
        if show_traceback:
            traceback.print_exc()
        _say(str(error))
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        _say("stopped\n  run the same command again to continue: what is done is kept")
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None
    except OSError as error:
        if show_traceback:
            traceback.print_exc()
        _say(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        raise SystemExit(1) from None
    except Exception as error:
        if show_traceback:
            traceback.print_exc()
        _say(f"unexpected {type(error).__name__}: {error}")
        _say("this is a fault in curate: --traceback shows where; what was done is kept")
        raise SystemExit(1) from None


def _say(message: str) -> None:
    print(f"curate: {message}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
