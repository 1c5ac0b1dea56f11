"""Options: typed, frozen settings, as stages and the sections of a pipeline file have them."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator


class Options(BaseModel):
    """Typed, frozen options; where a list is meant, a single value may stand for a list of one."""

    # building a validator takes longer than defining the class: only those that are used are built
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def build(cls, values: Mapping[str, Any]) -> Self:
        """The options of these values; files that hold further options are read here. Raises ValidationError."""
        return cls.model_validate(dict(values))

    @model_validator(mode="before")
    @classmethod
    def _single(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields

        def single(name: str, value: Any) -> bool:
            return isinstance(value, str | int | float) and name in fields and takes_list(fields[name].annotation)

        return {k: (v,) if single(k, v) else v for k, v in values.items()}


def takes_list(annotation: Any) -> bool:
    """Whether a field's type is a list or tuple, optional or not, and nothing else."""
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return all(get_origin(m) in (tuple, list) for m in members if m is not type(None))
