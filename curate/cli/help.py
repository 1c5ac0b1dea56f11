"""Help pages in plain text: options and commands under headings; a short page where a command has many options."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from curate.cli.usage_errors import PARSING, Checks, check_errors, may_be_empty, parsing_errors, summary
from curate.core.registry import closest, nearest

EVERY_STAGE = "Common options"
"""Heading of the options that all stages' commands have."""
HELP_ALL = "--help-all"
_FIRST, _LAST = "Options", "Other"

Rows = list[tuple[str, str]]


class Command(TyperCommand):
    """A command whose help groups its options by `rich_help_panel`.

    `usual` are the option names that the short page shows, beside the common ones; without any it shows all.
    """

    usual: Collection[str] = ()
    checks: Checks | None = None
    """What the command looks at before it works: asked, too, where the command line cannot be read whole."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does; but all errors are told at once, and another program's name of an option with ours."""
        words = list(args)
        rest: list[str] | None = None
        try:
            rest = super().parse_args(ctx, args)
            if not may_be_empty(words):
                return rest
        except Exception as raised:
            if type(raised).__name__ not in PARSING:
                raise
        errors, known = parsing_errors(self, ctx, words)
        if rest is not None and not errors:
            return rest
        others = check_errors(type(self).checks, known)
        for error in errors:
            if type(error).__name__ == "BadParameter":
                from curate.core.plain_words import plain

                error.message = plain(error.message)
        if len(errors) == 1 and not others:
            raise errors[0]
        return ctx.fail(summary(errors, others))

    def meant(self, error: Any, ctx: Any) -> list[str]:
        """The parameters that an error of an option is about; adds to that of one that is none what it is here."""
        flags = {str(error.option_name)}
        if type(error).__name__ == "NoSuchOption":
            before = str(error.message)
            self._say_what_is_meant(error, ctx.command_path)
            flags = set(str(error.message).removeprefix(before).rstrip(".?").split())
        options = [one for one in self.params if one.param_type_name == "option"]
        return [str(one.name) for one in options if flags.intersection((*one.opts, *one.secondary_opts))]

    def _say_what_is_meant(self, error: Any, path: str) -> None:
        """Adds to the parser's error of an option that is none what it is here, or the nearest one."""
        name = str(error.option_name).lstrip("-")
        same = name.replace("-", "_")
        arguments = {str(one.name): _argument_name(one) for one in self.params if one.param_type_name == "argument"}
        flags = {
            flag.lstrip("-").replace("-", "_"): flag
            for one in self.params
            if one.param_type_name == "option"
            for flag in (*one.opts, *one.secondary_opts)
        }
        option, reason = _counterpart(self.name or "", name)
        if same in arguments:
            error.message += f". Write {arguments[same]} without it: {path} {arguments[same]}"
        elif meant := flags.get(same) or " or ".join(_flag(one) for one in option.split(" or ") if one):
            error.message += f". Here it is {meant}."
        elif reason:
            error.message += f". Leave it out: {reason}."
        elif near := closest(same, list(flags)):
            error.message += f". Did you mean {flags[near]}?"
        error.possibilities = []  # names that are merely spelled alike

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """As click does, with arguments as plain words: `FILE...`, or `[NAME...]` for one that may be left out."""
        own = [one for one in self.params if one.param_type_name == "argument"]
        names = [_argument_name(one) if one.required else f"[{_argument_name(one)}]" for one in own]
        return [*super().collect_usage_pieces(ctx)[: -len(own) or None], *names]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes a section for each heading, in the order in which they first come."""
        everything = bool(ctx.meta.get(HELP_ALL)) or not self.usual
        sections: dict[str, Rows] = {}
        hidden = 0
        for parameter in self.get_params(ctx):
            if (row := _row(parameter, ctx)) is None:
                continue
            heading = _heading(parameter)
            shown = everything or heading in ("Arguments", EVERY_STAGE, _LAST) or parameter.name in self.usual
            hidden += not shown
            if shown:
                sections.setdefault(heading, []).append(row)
        write_sections(formatter, sections)
        if hidden:
            formatter.write_paragraph()
            formatter.write_text(
                f"These are the most used options. {ctx.command_path} {HELP_ALL} lists all, {hidden} more."
            )


class Group(TyperGroup):
    """A group whose help lists its commands under the headings that `rich_help_panel` names."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As click does; for a name that is none, the nearest one, and what the group does without a name."""
        try:
            return super().resolve_command(ctx, args)
        except Exception as raised:
            error: Any = raised
            if type(error).__name__ != "UsageError" or not args or args[0].startswith("-"):
                raise
            near = nearest(args[0], self.list_commands(ctx))
            hint = near if near.startswith("did") else f"`{ctx.command_path} --help` lists the commands"
            error.message = f'unknown command "{args[0]}": {hint}'
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes a section for each heading, in the order in which they first come."""
        names = [name for name in self.list_commands(ctx) if not self.commands[name].hidden]
        sections: dict[str, Rows] = {}
        room = formatter.width - 6 - max(map(len, names), default=0)
        for name in names:
            command: Any = self.commands[name]
            panel = getattr(command, "rich_help_panel", None)
            heading = panel if isinstance(panel, str) else "Commands"
            sections.setdefault(heading, []).append((name, command.get_short_help_str(max(room, 10_000))))
        write_sections(formatter, sections)


def _counterpart(command: str, name: str) -> tuple[str, str]:
    """What a stage knows of another program's name: our option, or why there is none."""
    from curate.core import registry

    return registry.stage(command).counterpart(name) if command in registry.stage_names() else ("", "")


def write_sections(formatter: Any, sections: Mapping[str, Rows]) -> None:
    """Writes headings with rows of two columns; the first column is equally wide in all."""
    for heading, rows in sections.items():
        with formatter.section(heading):
            formatter.write_dl(rows)


def command_class(usual: Collection[str], checks: Checks | None = None) -> type[Command]:
    """A command class whose short help page shows these options."""
    own = staticmethod(checks) if checks else None
    return type("Command", (Command,), {"usual": frozenset(usual), "checks": own})


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _argument_name(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    return name if argument.nargs == 1 or name.endswith("...") else f"{name}..."


def _row(parameter: Any, ctx: Any) -> tuple[str, str] | None:
    """Name and help of a parameter: arguments without their type, ranges as plain numbers."""
    record = parameter.get_help_record(ctx)
    if record is None:
        return None
    name, text = record
    if parameter.param_type_name == "argument":
        return _argument_name(parameter), text
    return name.replace(" range>", ">"), text


def _heading(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    panel = getattr(parameter, "rich_help_panel", None)
    if isinstance(panel, str):
        return panel
    return _LAST if parameter.is_eager else _FIRST


def show_all(ctx: typer.Context, value: bool) -> None:
    """Prints the whole help page and ends: the callback of `--help-all`."""
    if value and not ctx.resilient_parsing:
        ctx.meta[HELP_ALL] = True
        typer.echo(ctx.get_help())
        raise typer.Exit
