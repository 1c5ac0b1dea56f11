"""The command line: the commands, every stage as one of them, and how errors end a command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from curate.cli import check, doctor, folders, init, interpreter, pipeline, review, sample, standard_streams
from curate.cli.addresses import refuse_addresses
from curate.cli.help import Group, command_class
from curate.cli.refusal import Refusal, of_system
from curate.cli.termination import termination_as_interrupt
from curate.core import registry
from curate.diffusion.library_logging import silence_bitsandbytes
from curate.errors import CurateError, Interrupted, unloadable

HELP = """Turn raw pictures into a balanced, captioned dataset and train a LoRA on it.

`curate init` writes a pipeline.yaml and `curate run` runs it. Every stage is also a command of its own.
Running again continues. What you edit by hand is kept. A picture that cannot be used is set aside: it is left out of
the dataset, and the summary names it with the reason.
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

_STAGES = "Stages (each also works on its own)"
_FINISHED = "Finished LoRAs"
GROUPS = ("lora", "tags", "models")
"""Commands that have commands of their own."""

for heading, name, command, checks in (
    ("Pipeline", "init", init.init_command, init.init_checks),
    ("Pipeline", "run", pipeline.run_pipeline, None),
    ("Pipeline", "plan", pipeline.plan_pipeline, None),
    ("Pipeline", "schema", pipeline.print_schema, None),
    ("Folders", "check", check.check_command, check.check_checks),
    ("Folders", "review", review.review_command, None),
    ("Folders", "undo", folders.undo_command, None),
    ("Folders", "report", folders.report_command, None),
    ("This machine", "doctor", doctor.doctor_command, None),
    ("Folders", "consent", folders.consent_command, None),
):
    app.command(name, cls=command_class((), checks), rich_help_panel=heading)(command)


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


def _short(text: str) -> str:
    return text.strip().splitlines()[0]


_OWN = tuple(app.registered_commands)


def _mount(arguments: Sequence[str]) -> None:
    """Adds the stages' commands: all of them for a help page, else the one that is called (others cost import time).

    What a call before this one mounted goes: each command is built anew at a call.
    """
    app.registered_commands, app.registered_groups = [*_OWN], []
    for command in app.registered_commands:
        command.short_help = command.short_help or _short((command.callback and command.callback.__doc__) or "")
    called = next((a for a in arguments if not a.startswith("-")), None)
    if called in GROUPS or called is None or called not in _known():
        from curate.cli import lora, models, tags

        app.add_typer(lora.app, short_help=lora.app.info.help, rich_help_panel=_FINISHED)
        app.add_typer(tags.app, short_help=tags.app.info.help, rich_help_panel="Folders")
        app.add_typer(models.app, short_help=models.app.info.help, rich_help_panel="This machine")
    for name, summary in sample.SUMMARIES.items():
        if called == name:
            app.command(
                name, cls=command_class((), sample.checks(name)), short_help=summary, rich_help_panel=_FINISHED
            )(sample.command(name))
        elif called not in _known():
            app.command(name, short_help=summary, rich_help_panel=_FINISHED)(_only_listed)
    for name in registry.stage_names():
        if name in sample.SUMMARIES:
            continue
        if called == name:
            from curate.cli.stages import stage_checks, stage_command

            stage = registry.stage(name)
            own = command_class(stage.usual, stage_checks(name, stage))
            app.command(name, cls=own, short_help=_short(stage.__doc__ or name), rich_help_panel=_STAGES)(
                stage_command(name, stage)
            )
        elif called not in _known():
            app.command(name, short_help=registry.stage_summary(name), rich_help_panel=_STAGES)(_only_listed)


def _only_listed() -> None:
    """Stands for a command on the page that lists all of them, where it cannot be called."""
    raise AssertionError("a command that is called is mounted itself")


def _known() -> set[str]:
    own = {command.name or "" for command in app.registered_commands} | {
        group.name or "" for group in app.registered_groups
    }
    return own | set(GROUPS) | set(sample.SUMMARIES) | set(registry.stage_names())


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Errors become one message and an exit code; `--traceback` may stand anywhere."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    show_traceback = "--traceback" in given
    given = [a for a in given if a != "--traceback"]
    standard_streams.prepare()
    silence_bitsandbytes()  # libraries import it unasked, with whatever reads a model first
    refused = Refusal("--json" in given, show_traceback)
    try:
        interpreter.check()
        if given == ["--version"]:  # typer loads pydantic to read any argument but --help
            _print_version()
            return
        refuse_addresses(given)
        _mount(given)
        with termination_as_interrupt():
            code = app(args=given, prog_name="curate", standalone_mode=False)
        if code == 130:  # typer takes Ctrl-C where the command does not, and says nothing
            raise KeyboardInterrupt
        sys.stdout.flush()
    except (CurateError, ImportError) as error:
        known = unloadable(error) if isinstance(error, ImportError) else error
        refused.end(known.exit_code, known.message, known.remedy)
    except KeyboardInterrupt:
        known = Interrupted("stopped", "run the same command again")  # whatever the command keeps
        refused.end(known.exit_code, known.message, known.remedy)
    except OSError as error:
        known = of_system(error)
        refused.end(known.exit_code, known.message, known.remedy)
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
