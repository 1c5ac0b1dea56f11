"""The trainer's options, a file for each group: typed, with defaults; what is None is resolved later.

A new option stands in its group's file. `NEEDS` there names options that do something only beside others, `UNKEYED`
those that change no byte of the LoRA.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, ValidationError, ValidationInfo, model_validator

from curate.core.conflicts import check_rules
from curate.core.options import Options
from curate.core.plain_words import plain
from curate.train.options import (
    ai_toolkit,
    base,
    data,
    kohya,
    network,
    objective,
    optimizer,
    output,
    presets,
    run,
    watch,
)
from curate.train.options.optimizer import OPTIMIZERS
from curate.train.options.output import WORDS
from curate.train.options.run import Precision

__all__ = ["GROUPS", "LATER", "NEEDS", "OPTIMIZERS", "UNKEYED", "WORDS", "Precision", "TrainOptions", "imported"]

FILES = "kohya's files"
"""Where the validation context holds what was read of them."""


class TrainOptions(
    run.RunOptions,
    watch.WatchOptions,
    output.OutputOptions,
    objective.ObjectiveOptions,
    optimizer.OptimizerOptions,
    network.NetworkOptions,
    data.DataOptions,
    base.BaseOptions,
    Options,
):
    """Everything that decides a training run; what is None is settled by the algorithm, the base or the data."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def build(cls, values: Mapping[str, Any]) -> Self:
        """The options of these values, and beneath them what kohya's files set. Raises ValidationError."""
        return cls.model_validate(dict(values), context={FILES: imported(values.get("from_kohya"))})

    @model_validator(mode="before")
    @classmethod
    def _beneath(cls, values: Any, info: ValidationInfo) -> Any:
        """What kohya's files and a guide set and the user did not, as far as it fits what the user set."""
        if not isinstance(values, dict):
            return values
        if "preset" in values:
            raise ValueError(presets.renamed(values["preset"]))
        if values.get("from_kohya") and FILES not in (info.context or {}):
            raise ValueError("from_kohya is read by TrainOptions.build")
        read = (info.context or {}).get(FILES) or kohya.Imported()
        if read.refused(values):
            return values  # `_fits` says so, beside what is wrong with these
        found, defaults = kohya.beneath(read, values)
        guide = presets.beneath({**found, **values})
        # a guide is whole: what it leaves out goes with it, not with the file
        return cls._working({**(guide or defaults), **found}, values)

    @classmethod
    def _working(cls, found: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        """`given` with those of `found` beneath it that do something beside it."""
        try:
            trial = cls.model_construct(**{**found, **given})
            idle = {option for option in found.keys() & NEEDS.keys() if not NEEDS[option][1](trial)}
        except TypeError:  # a value of a wrong type, which validation names next
            idle = set[str]()
        return {**given, **{option: value for option, value in found.items() if option not in idle}}

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> Self:
        read: kohya.Imported = (info.context or {}).get(FILES) or kohya.Imported()
        refused: list[str] = read.refused(self.model_fields_set)
        if refused:
            check_rules(self, (partial(_refused, refused),))
            raise ValueError("\n".join(refused))
        check_rules(self, _RULES)
        return self


def _refused(messages: Sequence[str], _: TrainOptions) -> Sequence[str]:
    """What files of other programs have wrong, as a rule: it is told beside options that are wrong."""
    return messages


def _idle(option: str, options: TrainOptions) -> Iterator[str]:
    """An option that was given and could do nothing is a mistake to be told of, not to be passed over."""
    given = option in options.model_fields_set and getattr(options, option) != TrainOptions.model_fields[option].default
    needed, works = NEEDS[option]
    # what the base's family refuses altogether is refused once, with the base
    if given and option not in objective.BY_FAMILY and not works(options):
        yield f"{option} has no effect without {needed}"


def imported(paths: Any) -> kohya.Imported:
    """What files of other programs come to; nothing without files."""
    several = [paths] if isinstance(paths, str) else paths
    given = list(several) if isinstance(several, list | tuple) else []
    if not given:
        return kohya.Imported()
    result = _read(given)
    try:
        TrainOptions.model_validate({**result.defaults, **result.values})
    except ValidationError as error:
        for one in error.errors():
            option = str(one["loc"][0]) if one["loc"] else ""
            if where := result.origins.get(option):
                reason = plain(one["msg"].removeprefix("Value error, "))
                message = f"{where} = {one['input']!r}: {reason}"
                result.problems.append(kohya.Problem(message, option))
    _note_idle(result)
    return result


def _read(paths: Sequence[str]) -> kohya.Imported:
    """A job of ai-toolkit, or all files of kohya's programs together."""
    result = kohya.Imported()
    jobs = {path: job for path in paths if (job := ai_toolkit.job(Path(path).expanduser(), result))}
    if not jobs and not result.problems:
        return kohya.read(paths, TrainOptions.model_fields.keys())
    if len(paths) > 1:
        message = f"{next(iter(jobs or paths))} is a job of ai-toolkit, which is whole: give it without other files"
        result.problems.append(kohya.Problem(message))
    for path, job in jobs.items():
        settings = ai_toolkit.read(job, Path(path).expanduser(), result)
        return ai_toolkit.translate(settings, result, TrainOptions.model_fields.keys())
    return result


def _note_idle(result: kohya.Imported) -> None:
    """Names the files' settings that do nothing beside the others."""
    trial = TrainOptions.model_construct(**{**result.defaults, **result.values})
    for option in result.values.keys() & NEEDS.keys():
        needed, works = NEEDS[option]
        with contextlib.suppress(TypeError):  # a value of a wrong type, which is named as such
            if result.values[option] != TrainOptions.model_fields[option].default and not works(trial):
                result.notes.append(f"{result.origins[option].rpartition(': ')[2]} has no effect without {needed}")


NEEDS: Mapping[str, tuple[str, Callable[[TrainOptions], bool]]] = {
    **base.NEEDS,
    **network.NEEDS,
    **run.NEEDS,
    **optimizer.NEEDS,
    **data.NEEDS,
    **objective.NEEDS,
    **output.NEEDS,
    **watch.NEEDS,
}
"""Options that do something only beside others: what they need, in words and as a test."""

_RULES = (
    *optimizer.CONFLICTS,
    *network.CONFLICTS,
    *data.CONFLICTS,
    *(partial(_idle, option) for option in NEEDS),
    *objective.CONFLICTS,
    *base.CONFLICTS,
)

UNKEYED = frozenset[str]().union(*(g.UNKEYED for g in (base, network, optimizer, run, data, objective, output, watch)))
"""Options that change no byte of the LoRA."""

LATER = frozenset[str]().union(*(g.LATER for g in (base, objective, output)))
"""Options that came after runs were first identified: at their defaults they are no part of the identity."""

GROUPS = {
    "base": base.BaseOptions,
    "data": data.DataOptions,
    "network": network.NetworkOptions,
    "optimizer": optimizer.OptimizerOptions,
    "objective": objective.ObjectiveOptions,
    "output": output.OutputOptions,
    "watch": watch.WatchOptions,
    "run": run.RunOptions,
}
"""The groups in the order in which help shows them."""

PANELS = {("monitoring" if name == "watch" else name).capitalize(): group for name, group in GROUPS.items()}
"""The groups by the heading under which help lists their options."""
