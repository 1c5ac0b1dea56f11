"""Stages as commands: each stage's command line, its options read off the stage's own fields."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.cli.common_options import COMMON, HELP_ALL_OPTION, PRINT_CONFIG, SOURCE
from curate.cli.results import close, show
from curate.cli.stage_options import field_option, field_value
from curate.cli.usage_errors import Arguments, Checks
from curate.core import option_names
from curate.core.caption_options import CaptionReading, codec
from curate.core.findings import combined, failures
from curate.core.stage import Concept, Stage, adds_only
from curate.errors import CurateError, InputError

if TYPE_CHECKING:
    from curate.core.stage import Findings
    from curate.scan import ConsentChoice


def stage_command(name: str, stage: type[Stage]) -> Callable[..., None]:
    """A command whose options are the stage's fields, typed and explained as they are there."""

    def carry_out(**given: Any) -> None:
        values = {field: given.pop(field) for field in stage.model_fields}
        options = {
            field: field_value(stage.model_fields[field], value, field)
            for field, value in values.items()
            if value not in (None, [], ())
        }
        with _typed_names(stage):
            if given.get("print_config"):
                made = _of_folder(name, stage, options, given)
                result = made.configuration(given["source"], options, given.get("device") or "auto")
                show(_with_typed_names(result, stage), given["as_json"])
            else:
                _carry_out(name, stage, options, given)

    carry_out.__doc__ = stage.help_text() or name
    carry_out.__name__ = name
    carry_out.__signature__ = inspect.Signature(list(_parameters(stage)))  # type: ignore[attr-defined]
    return carry_out


def stage_checks(name: str, stage: type[Stage]) -> Checks:
    """What is wrong with the options of a stage's command, asked where others could not be read."""

    def checks(given: Arguments) -> Iterator[Callable[[], object]]:
        fields = stage.model_fields
        typed = {
            field: field_value(fields[field], value, field)
            for field, value in given.values_read.items()
            if field in fields and value not in (None, [], ())
        }
        yield _typed_names(stage)(lambda: validated(name, stage, typed, given.wrong))
        yield from _beside(given)

    return checks


def _beside(given: Arguments) -> Iterator[Callable[[], object]]:
    """What is looked at beside the stage's own options."""
    from curate.pipeline import RunOptions

    run = {name: value for name, value in given.values_read.items() if name in RunOptions.model_fields}
    yield lambda: _check_there(given["source"])
    yield lambda: _concepts_of(given["concepts"])
    yield lambda: _encoding(given["caption_encoding"])
    yield lambda: validated("run", RunOptions, {k: v for k, v in run.items() if v is not None}, given.wrong)


def _names(stage: type[Stage]) -> frozenset[str]:
    return option_names.COMMON.union(stage.model_fields)


@contextlib.contextmanager
def _typed_names(stage: type[Stage]) -> Generator[None]:
    """Errors name the stage's options as they are typed here."""
    try:
        yield
    except CurateError as error:
        error.message = option_names.as_typed(error.message, _names(stage))
        error.remedy = option_names.as_typed(error.remedy, _names(stage))
        raise


def _with_typed_names(findings: Findings, stage: type[Stage]) -> Findings:
    """The findings whose warnings name options as they are typed here."""
    names = _names(stage)
    head = "warning: "
    lines = [
        head + option_names.as_typed(line.removeprefix(head), names) if line.startswith(head) else line
        for line in findings.closing
    ]
    return dataclasses.replace(findings, closing=lines)


def _parameters(stage: type[Stage]) -> Iterator[inspect.Parameter]:
    """FOLDER, the stage's fields, what all stages take, each with its annotation for typer."""
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    yield inspect.Parameter("source", positional, annotation=SOURCE)
    for field, info in stage.model_fields.items():
        annotation = field_option(field, info, stage.panel(field), stage.model_fields)
        yield inspect.Parameter(field, positional, default=None, annotation=annotation)
    if stage.prints_config:
        yield inspect.Parameter("print_config", positional, default=False, annotation=PRINT_CONFIG)
    for option, (annotation, default) in COMMON.items():
        if option not in _unwanted(stage) and option not in stage.model_fields:
            yield inspect.Parameter(option, positional, default=default, annotation=annotation)
    if stage.usual:
        yield inspect.Parameter("help_all", positional, default=False, annotation=HELP_ALL_OPTION)


def _unwanted(stage: type[Stage]) -> tuple[str, ...]:
    """Common options that mean nothing for the stage."""
    if stage.read_only:
        return ("out", "in_place", "dry_run")
    return ("out", "in_place", "concept", "dry_run") if adds_only(stage) else ()


def _carry_out(name: str, stage: type[Stage], options: dict[str, Any], given: Mapping[str, Any]) -> None:
    source, out = given["source"], given.get("out")
    made = _of_folder(name, stage, options, given)
    concepts, consent, reading = _concepts_of(given["concepts"])
    reading = CaptionReading(
        given.get("caption_form") or reading.form, _encoding(given.get("caption_encoding")) or reading.encoding
    )
    if not out:
        made.check_source(source)
    from curate.executors.pool import POOL

    ledger = None if stage.read_only else out or source
    POOL.start_ahead([made], [source], ledger, given.get("workers") or "auto")
    from curate import drive
    from curate.pipeline import RunOptions

    run_options = {k: given[k] for k in RunOptions.model_fields if given.get(k) is not None}
    command = drive.Command(
        stage=made,
        source=source,
        out=out,
        in_place=given.get("in_place", False),
        only=tuple(given.get("concept") or ()),
        concepts=concepts,
        consent=given["consent"] or consent,
        captions=reading,
        options=validated("run", RunOptions, run_options),
        quiet=given["quiet"],
        dry_run=given.get("dry_run", False),
    )
    close(drive.command(command), given["as_json"], given["strict"])


def validated(name: str, model: type[Any], options: dict[str, Any], wrong: Collection[str] = ()) -> Any:
    """The options of a command, typed; `wrong` are those that could not be read.

    Raises InputError that names each wrong one as it is written.
    """
    from curate.pipeline import validate

    result = validate(model, options, wrong)
    if not result.mistakes:
        return result.made
    lines = [
        (f"--{'.'.join(map(str, one.where)).replace('_', '-')}: " if one.where else "") + one.message
        for one in result.mistakes
    ]
    listed = result.made is None and name != "run"
    error = InputError("\n".join(lines), f"`curate {name} --help` lists the options" if listed else "")
    error.parts = [InputError(line) for line in lines]
    raise error


def _of_folder(name: str, stage: type[Stage], options: dict[str, Any], given: Mapping[str, Any]) -> Any:
    """The options, typed. What is wrong beside them is named with what is wrong with them."""
    others = failures(_beside(Arguments(given)))
    try:
        made = validated(name, stage, options)
    except InputError as error:
        if others:
            raise combined([error, *others]) from None
        raise
    if others:
        raise combined(others)
    return made


def _check_there(source: Path | None) -> None:
    if source is not None and not source.exists():
        raise InputError(f"input folder {source} does not exist", "give a folder of pictures")


def _encoding(name: str | None) -> str:
    try:
        return codec(name) if name else ""
    except ValueError as error:
        raise InputError(f"--caption-encoding: {error}") from error


def _concepts_of(path: Path | None) -> tuple[dict[str, Concept], ConsentChoice, CaptionReading]:
    if path is None:
        return {}, "", CaptionReading()
    from curate.pipeline import load

    pipeline = load(path)
    return pipeline.concepts, pipeline.consent, pipeline.captions
