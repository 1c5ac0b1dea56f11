"""Stages as commands: each stage's command line, its options read off the stage's own fields."""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from curate.cli.help import EVERY_STAGE, HELP_ALL, show_all
from curate.core.caption_options import ENCODING_HELP, FORM_HELP, CaptionForm, CaptionReading, codec
from curate.core.stage import Concept, Findings, Stage, adds_only
from curate.errors import InputError

if TYPE_CHECKING:
    from curate.drive import Result
    from curate.scan import ConsentChoice


def _json(panel: str | None = None) -> Any:
    return typer.Option("--json", help="Print the result as JSON on stdout.", rich_help_panel=panel)


def _quiet(panel: str | None = None) -> Any:
    return typer.Option("--quiet", "-q", help="Show only warnings and what was set aside.", rich_help_panel=panel)


def _strict(panel: str | None = None) -> Any:
    return typer.Option("--strict", help="Exit 1 if a picture was set aside.", rich_help_panel=panel)


Json = Annotated[bool, _json()]
Quiet = Annotated[bool, _quiet()]
Strict = Annotated[bool, _strict()]


def stage_command(name: str, stage: type[Stage]) -> Callable[..., None]:
    """A command whose options are the stage's fields, typed and explained as they are there."""
    fields = {field: _option(field, info, stage.panel(field)) for field, info in stage.model_fields.items()}

    def carry_out(**given: Any) -> None:
        options = {k: _parsed(stage.model_fields[k], v, k) for k in fields if (v := given.pop(k)) not in (None, [])}
        as_json, strict = given["as_json"], given["strict"]
        run_options = {k: given[k] for k in ("workers", "device", "require_gpu", "offline") if given.get(k) is not None}
        if given.pop("print_config", False):
            explained = _validated(name, stage, options).configuration(
                given["source"], options, given.get("device") or "auto"
            )
            show(explained, as_json)
            return
        concepts, consent, reading = _concepts_of(given["concepts"])
        reading = CaptionReading(
            given.get("caption_form") or reading.form, _encoding(given.get("caption_encoding")) or reading.encoding
        )
        made = _validated(name, stage, options)
        if not given.get("out"):
            made.check_source(given["source"])
        from curate.executors.pool import POOL

        ledger = None if stage.read_only else given.get("out") or given["source"]
        POOL.ahead([made], [given["source"]], ledger, given.get("workers") or "auto")
        from curate import drive
        from curate.pipeline import RunOptions

        result = drive.command(
            drive.Command(
                stage=made,
                source=given["source"],
                out=given.get("out"),
                in_place=given.get("in_place", False),
                only=tuple(given.get("concept") or ()),
                concepts=concepts,
                consent=given["consent"] or consent,
                captions=reading,
                options=_validated("run", RunOptions, run_options),
                quiet=given["quiet"],
            )
        )
        close(result, as_json, strict)

    carry_out.__doc__ = stage.help_text() or name
    carry_out.__name__ = name
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("source", positional, annotation=_SOURCE)]
    parameters += [inspect.Parameter(f, positional, default=None, annotation=a) for f, a in fields.items()]
    if stage.prints_config:
        parameters.append(inspect.Parameter("print_config", positional, default=False, annotation=_PRINT))
    unwanted = ("out", "in_place") if stage.read_only else ("out", "in_place", "concept") if adds_only(stage) else ()
    common = {f: c for f, c in _COMMON.items() if f not in unwanted and f not in fields}
    parameters += [inspect.Parameter(f, positional, default=d, annotation=a) for f, (a, d) in common.items()]
    if stage.usual:
        parameters.append(inspect.Parameter("help_all", positional, default=False, annotation=_HELP_ALL))
    carry_out.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return carry_out


_SOURCE = Annotated[
    Path,
    typer.Argument(metavar="FOLDER", help="A folder of pictures; its sub-folders are concepts.", show_default=False),
]
_PRINT = Annotated[
    bool,
    typer.Option(
        "--print-config",
        help="Show every effective option, where it comes from and what it means for this folder; train nothing.",
        rich_help_panel=EVERY_STAGE,
    ),
]
_HELP_ALL = Annotated[
    bool, typer.Option(HELP_ALL, help="Show every option and exit.", is_eager=True, callback=show_all)
]
_COMMON: Mapping[str, tuple[Any, Any]] = {
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
                "--in-place", help="Change FOLDER itself; `curate undo` takes it back.", rich_help_panel=EVERY_STAGE
            ),
        ],
        False,
    ),
    "concept": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--concept", metavar="NAME", help="Only this concept; repeatable.", rich_help_panel=EVERY_STAGE
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
                help="Take concepts: and consent: from this pipeline.",
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
                help="keep-unchecked includes pictures whose files cannot be checked for a refusal of AI training; "
                "i-hold-the-rights also those that refuse it.",
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
            str | None, typer.Option("--workers", help="auto, or a number of processes.", rich_help_panel=EVERY_STAGE)
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
            typer.Option("--require-gpu", help="Stop rather than use the CPU.", rich_help_panel=EVERY_STAGE),
        ],
        None,
    ),
    "offline": (
        Annotated[bool | None, typer.Option("--offline", help="Never ask a model hub.", rich_help_panel=EVERY_STAGE)],
        None,
    ),
    "as_json": (Annotated[bool, _json(EVERY_STAGE)], False),
    "strict": (Annotated[bool, _strict(EVERY_STAGE)], False),
    "quiet": (Annotated[bool, _quiet(EVERY_STAGE)], False),
}


def _option(name: str, info: FieldInfo, panel: str | None) -> Any:
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
    text = (info.description or "") + (
        f" [default: {shown}]" if shown is not None and not isinstance(default, bool) else ""
    )
    kind = _simple(info.annotation)
    if kind is bool:
        text += f" [default: {'on' if default else 'off'}]"
        return Annotated[
            bool | None,
            typer.Option(f"{flag}/--no-{name.replace('_', '-')}", help=text, show_default=False, rich_help_panel=panel),
        ]
    if get_origin(kind) is list:
        choices = [
            str(c)
            for m in _union(info.annotation)
            for a in get_args(m)
            if get_origin(a) is Literal
            for c in get_args(a)
        ]
        text += f" One of {', '.join(dict.fromkeys(choices))}." if choices else ""
        metavar = "KEY=VALUE" if _mapping(info.annotation) else f"<{get_args(kind)[0].__name__}>"
        return Annotated[
            kind | None,
            typer.Option(flag, help=text + " Repeatable.", show_default=False, metavar=metavar, rich_help_panel=panel),
        ]
    listed = [str(value) for value in info.examples or ()]
    return Annotated[
        kind | None,
        typer.Option(
            flag,
            help=text,
            show_default=False,
            rich_help_panel=panel,
            autocompletion=(lambda: listed) if listed else None,
        ),
    ]


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
    """Whether a field takes nothing but a mapping; one that takes a list too reads `NAME=VALUE` itself."""
    return all(get_origin(m) in (dict, Mapping) for m in _union(annotation))


def _parsed(info: FieldInfo, value: Any, name: str) -> Any:
    """What the user typed, as the field takes it: KEY=VALUE pairs become a mapping, `a, b` in a value a list."""
    if not _mapping(info.annotation):
        return value
    pairs: dict[str, Any] = {}
    for one in value:
        key, text = pair(one, f"--{name.replace('_', '-')}")
        pairs[key] = _plain(text)
    return pairs


def pair(text: str, option: str) -> tuple[str, str]:
    """Splits NAME=VALUE. Raises InputError naming the option."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{option} takes NAME=VALUE, found {text!r}")
    return key.strip(), value.strip()


def _plain(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        return YAML(typ="safe", pure=True).load(
            f"[{text}]" if "," in text and not text.startswith(("[", "{")) else text
        )
    except MarkedYAMLError:
        return text


def _validated(name: str, model: type[Any], options: dict[str, Any]) -> Any:
    from curate.pipeline import explain, mistakes

    try:
        made = model(**options)
        wrong = made.problems() if isinstance(made, Stage) else {}
        if wrong:
            raise InputError("\n".join(f"--{option.replace('_', '-')}: {what}" for option, what in wrong.items()))
        return made
    except ValidationError as error:
        lines = [
            (f"--{'.'.join(map(str, e['loc'])).replace('_', '-')}: " if e["loc"] else "") + explain(e)
            for e in mistakes(error.errors())
        ]
        raise InputError(
            "\n".join(lines), f"`curate {name} --help` lists the options" if name != "run" else ""
        ) from error


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


def show(found: Findings, as_json: bool) -> None:
    """Prints what was found, as tables or as JSON."""
    if as_json:
        typer.echo(json.dumps(found.data, indent=2, ensure_ascii=False, default=str))
    else:
        from curate.report import table

        typer.echo(table.findings(found))


def close(result: Result, as_json: bool, strict: bool) -> None:
    """Prints the result where it was asked for; exits with 1 where `strict` and something was set aside."""
    from curate import drive

    if drive.follows():
        return
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
