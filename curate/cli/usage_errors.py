"""Usage errors: everything that is wrong with a command line at once, where its parser would end at the first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from inspect import signature
from typing import Any

import typer

from curate.core.conflicts import UnknowableError
from curate.core.findings import failures
from curate.errors import CurateError

PARSING = ("BadParameter", "MissingParameter", "NoSuchOption", "BadOptionUsage")
"""Errors after which the rest of a command line can still be read. typer does not export the classes."""


class Arguments(Mapping[str, Any]):
    """What a command line gives its command, by parameter; None for what is not given.

    To ask for one that could not be read raises UnknowableError.
    """

    def __init__(self, values: Mapping[str, Any], wrong: Collection[str] = ()) -> None:
        self.values_read, self.wrong = dict(values), frozenset(wrong)

    def __getitem__(self, name: str) -> Any:
        if name in self.wrong:
            raise UnknowableError(name)
        return self.values_read.get(name)

    def each(self, name: str) -> Sequence[Any]:
        """The values of a parameter that takes several; none where it could not be read."""
        return () if name in self.wrong else self[name] or ()

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_read)

    def __len__(self) -> int:
        return len(self.values_read)


Checks = Callable[[Arguments], Iterable[Callable[[], object]]]
"""What a command looks at before it works. Each check raises CurateError, and loads nothing heavy."""


def may_be_empty(words: Sequence[str]) -> bool:
    """Whether one of the words may stand for an empty value."""
    return any(word == "" or word.endswith("=") for word in words)


def parsing_errors(command: Any, ctx: Any, args: list[str]) -> tuple[list[Any], Arguments]:
    """Every error of the parser's, and what can be read of the command line all the same."""
    errors, (given, rest) = _parsed(command, ctx, list(args))
    wrong = {name for error in errors for name in command.meant(error, ctx)}
    is_short = bool(errors)  # the value of an unknown option may be the word that is missing
    ctx.params.clear()
    for parameter in command.get_params(ctx):
        try:
            parameter.handle_parse_result(ctx, given, rest)
        except Exception as raised:
            error: Any = raised
            if type(error).__name__ not in PARSING:
                raise
            wrong.add(parameter.name)
            if not (is_short and parameter.param_type_name == "argument"):
                errors.append(error)
    errors += (empty := _empty_values(command, ctx, given))
    wrong.update(error.param.name for error in empty)
    return errors, Arguments({name: value for name, value in ctx.params.items() if name not in wrong}, wrong)


def _empty_values(command: Any, ctx: Any, given: Mapping[str, Any]) -> list[Any]:
    """An error for each empty argument, and each empty path of an option: it would stand for the current folder."""
    parameters = signature(command.callback, eval_str=True).parameters
    errors: list[Any] = []
    for one in command.get_params(ctx):
        value = given.get(one.name)
        is_empty = "" in value if isinstance(value, list | tuple) else value == ""
        is_path = one.name in parameters and "Path" in str(parameters[one.name].annotation)
        if is_empty and (is_path or one.param_type_name == "argument"):
            hint = "; a dot stands for the current folder" if one.metavar == "FOLDER" else ""
            errors.append(typer.BadParameter(f"must not be empty{hint}", ctx=ctx, param=one))
    return errors


def _parsed(command: Any, ctx: Any, words: list[str]) -> tuple[list[Any], tuple[Mapping[str, Any], list[str]]]:
    """Options that are none, or lack their value, and what the other words are."""
    errors: list[Any] = []
    while True:
        try:
            given, rest, _ = command.make_parser(ctx).parse_args(args=list(words))
            return errors, (given, rest)
        except Exception as raised:
            error: Any = raised
            if type(error).__name__ not in PARSING or (left := _without(words, str(error.option_name))) is None:
                raise
            errors.append(error)
            words = left


def _without(args: list[str], option: str) -> list[str] | None:
    """The words without an option and its value; None where it does not stand there."""
    at = next((n for n, word in enumerate(args) if word == option or word.startswith(f"{option}=")), None)
    if at is None:
        return None
    has_value = "=" not in args[at] and at + 1 < len(args) and not args[at + 1].startswith("-")
    return args[:at] + args[at + 1 + has_value :]


def check_errors(checks: Checks | None, arguments: Arguments) -> list[CurateError]:
    """What the command's own checks find in what could be read."""
    return failures(checks(arguments)) if checks is not None else []


def summary(parser: Iterable[Any], others: Iterable[CurateError]) -> str:
    """All of them, a line each, with what to do below it; alone as it is."""
    lines = [error.format_message() for error in parser]
    lines += [error.message + (f"\n    {error.remedy}" if error.remedy else "") for error in others]
    different = list(dict.fromkeys(lines))
    if len(different) == 1:
        return different[0]
    return f"{len(different)} things are wrong:\n" + "\n".join(f"- {line}" for line in different)
