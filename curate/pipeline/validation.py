"""Validation: options made of what the user wrote, and everything that is wrong with them at once."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from curate.core.conflicts import RightOptions, UnknowableError, right_part
from curate.core.options import Options
from curate.core.plain_words import explain, mistakes
from curate.core.stage import Stage


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and with which value: a path of keys, empty for options that do not go together."""

    where: tuple[str | int, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Validated:
    """What came of the user's values.

    made    the options, None where something is wrong with their types or where they do not go together
    right   `made`, or those of the options that are not wrong; None where nothing can be said of them
    """

    made: Any
    right: Any
    mistakes: tuple[Mistake, ...] = ()


def validate(model: type[BaseModel], values: Mapping[str, Any], misspelt: Collection[str] = ()) -> Validated:
    """The options of these values, and every mistake in them.

    `misspelt` are options that the user likely meant by names that are none. What depends on them, or on a value that
    is wrong, is not known, and so not told.
    """

    def build(given: Mapping[str, Any]) -> BaseModel:
        return model.build(given) if issubclass(model, Options) else model.model_validate(dict(given))

    made: BaseModel | None = None
    errors: list[Mapping[str, Any]] = []
    try:
        made = build(values)
        problems = _problems(made)
        if not misspelt and not problems:
            return Validated(made, made)
    except ValidationError as error:
        errors = list(mistakes(error.errors()))
    single = [Mistake(tuple(one["loc"]), explain(one)) for one in errors if one["loc"]]
    wrong = {str(one.where[0]) for one in single} | set(misspelt)
    right, messages = right_part(model, build, values, wrong)
    if right is None and not messages:
        messages = [explain(one) for one in errors if not one["loc"]]
    problems = _problems(right)
    if isinstance(right, RightOptions):
        right = right.without(str(one.where[0]) for one in problems)
    return Validated(made, right, (*single, *(Mistake((), message) for message in messages), *problems))


def _problems(right: Any) -> list[Mistake]:
    """What a stage says of options that are well-typed, as far as they are known."""
    if not issubclass(right.kind if isinstance(right, RightOptions) else type(right), Stage):
        return []
    with contextlib.suppress(UnknowableError):
        return [Mistake((option,), message) for option, message in right.problems().items()]
    return []
