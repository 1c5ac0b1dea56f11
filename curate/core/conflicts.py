"""Conflicts: options that do not go together, worked out also where the value of another option is wrong."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from curate.errors import CurateError

if TYPE_CHECKING:
    from pydantic import BaseModel

Rule = Callable[[Any], Iterable[str]]
"""What does not go together in options, a sentence each."""


class UnknowableError(CurateError):
    """A check asked for an option whose value is wrong: what it checks cannot be known."""


class RightOptions:
    """Options without those that are wrong, in place of the whole. To ask for a wrong one raises UnknowableError."""

    def __init__(self, options: BaseModel, wrong: Collection[str]) -> None:
        self._options, self._wrong = options, frozenset(wrong)

    @property
    def name(self) -> str:
        """The name of the stage whose options they are."""
        return str(getattr(self._options, "name", ""))

    @property
    def kind(self) -> type[BaseModel]:
        """The class of the whole."""
        return type(self._options)

    def without(self, wrong: Iterable[str]) -> RightOptions:
        """The same without further ones."""
        return RightOptions(self._options, self._wrong.union(wrong))

    def __getattr__(self, name: str) -> Any:
        if name in self._wrong or name in ("model_dump", "model_copy"):
            raise UnknowableError(name)
        declared = inspect.getattr_static(type(self._options), name, None)
        if isinstance(declared, property) and declared.fget:
            return declared.fget(self)
        return MethodType(declared, self) if isinstance(declared, FunctionType) else getattr(self._options, name)


@dataclass
class _Part:
    """What is built of some options alone: of which class, which others are wrong, and the conflicts."""

    kind: type[BaseModel]
    wrong: frozenset[str]
    messages: list[str] = field(default_factory=list[str])


_PART: ContextVar[_Part | None] = ContextVar("_PART", default=None)


def check_rules(options: BaseModel, rules: Sequence[Rule]) -> None:
    """For a validator of a model that stands after the fields' own. Raises ValueError with all conflicts, a line each.

    Each rule by itself is left out where it asks for an option that is wrong.
    """
    part = _PART.get()
    if part is None or part.kind is not type(options):
        if messages := [message for rule in rules for message in rule(options)]:
            raise ValueError("\n".join(messages))
        return
    view = RightOptions(options, part.wrong)
    part.messages += (message for rule in rules for message in _known(rule, view))


def _known(rule: Rule, view: RightOptions) -> Iterator[str]:
    with contextlib.suppress(UnknowableError):
        yield from rule(view)


def right_part(
    model: type[BaseModel],
    build: Callable[[Mapping[str, Any]], BaseModel],
    values: Mapping[str, Any],
    wrong: Collection[str],
) -> tuple[RightOptions | None, list[str]]:
    """The options that are not `wrong`, None where they cannot be built, and the conflicts among them."""
    from pydantic import ValidationError

    part = _Part(model, frozenset(wrong))
    token = _PART.set(part)
    try:
        made = build({option: value for option, value in values.items() if option not in part.wrong})
    except ValidationError:
        return None, part.messages
    finally:
        _PART.reset(token)
    return RightOptions(made, part.wrong), part.messages
