"""The training part of a pipeline file from kohya's settings: every option, and what became of every setting."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.core.findings import combined
from curate.core.plain_words import dotted
from curate.errors import InputError
from curate.pipeline.validation import validate
from curate.train.options.kohya.paths import is_foreign

if TYPE_CHECKING:
    from curate.train.options import TrainOptions
    from curate.train.options.kohya.settings import Imported

FILES = ("text_encoder", "vae", "tokenizer")
NAMES = ("base", *FILES)
PLACES = ("start_from", "reg_folder", "sample_prompts", "thumbnail", "output_dir")
"""Options that kohya's files mean from where its scripts are started, and a pipeline from its own folder; `NAMES` may
be names on a hub as well."""


@dataclass(frozen=True, slots=True)
class Training:
    """What kohya's files say: base and family, the lines of the train stage, and the folder of pictures.

    `files` are the text encoder, VAE and tokenizer that stand among the lines, by option. `cautions` say which relative
    paths were taken from the folder that the command is started in.
    """

    base: str | None = None
    family: str | None = None
    lines: tuple[str, ...] = ()
    pictures: str | None = None
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    cautions: tuple[str, ...] = ()


def training(files: Sequence[str], base: str | None) -> Training:
    """Reads kohya's files; `base` stands above theirs. Raises InputError for what cannot be taken over."""
    from curate.train.options import imported

    given: dict[str, Any] = {"base": base} if base else {}
    result = imported(files)
    options = _options_of(result, given, files)
    chosen = {name: getattr(options, name) for name in options.model_fields_set - {"from_kohya", "base"}}
    origins = {name: where.rpartition(": ")[2] for name, where in result.origins.items()}
    order = [name for name in type(options).model_fields if name in chosen]
    above = [f"# base: {origins['base']}"] if "base" in origins else []
    lines = [*above, *_options(chosen, order, origins, result.program), *_rest(result.notes)]
    told = {outcome.name.lstrip("-"): outcome.value for outcome in result.outcomes}
    pictures = str(told.get("train_data_dir") or "")
    return Training(
        base=_place("base", options.base) if "base" in options.model_fields_set else None,
        family=result.family or None,
        lines=tuple(lines),
        files={name: str(_place(name, chosen[name])) for name in FILES if chosen.get(name)},
        pictures=pictures if pictures and Path(pictures).is_dir() else None,
        cautions=tuple(_moved(chosen, order)),
    )


def _options_of(result: Imported, given: Mapping[str, Any], files: Sequence[str]) -> TrainOptions:
    """The training that the files describe. Raises InputError for all that cannot be taken over of them."""
    from curate.train.options import TrainOptions

    remedy = "take it out of the file, or change it there"
    errors = [InputError(line, remedy) for line in result.refused(given)]
    # without what is refused as a whole, the values of the other settings are looked at all the same
    values = {**result.values, **given} if errors else {**given, "from_kohya": tuple(files)}
    checked = validate(TrainOptions, values)
    origins = {option: where.rpartition(": ")[2] for option, where in result.origins.items()}
    for one in checked.mistakes:
        name = origins.get(str(one.where[0]), dotted(one.where)) if one.where else ""
        is_told = any(f"{name} = " in error.message for error in errors) if name else False
        if not is_told and not (errors and one.where[:1] == ("base",)):  # which may be what is refused
            errors.append(InputError((f"{name}: " if name else "") + one.message, remedy))
    if errors:
        raise combined(errors)
    return checked.made


def _options(chosen: dict[str, Any], order: Sequence[str], origins: dict[str, str], program: str) -> Iterator[str]:
    for name in order:
        value = chosen[name]
        if value is not None:
            source = origins.get(name, f"{program}'s default")
            yield f"{name}: {_yaml(_place(name, value))}  # {source}"


def _moved(chosen: dict[str, Any], order: Sequence[str]) -> Iterator[str]:
    """A line for each relative path that a pipeline in another folder would mean from there."""
    for name in order:
        if (place := _place(name, chosen[name])) != chosen[name]:
            yield f"{name} {chosen[name]} is meant from {Path.cwd()}, as there: it became {place}"


def _rest(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield "# Settings that were not converted:"
    for note in notes:
        yield f"#   {' '.join(note.split())}"


def _place(name: str, value: Any) -> Any:
    """A path as a pipeline in any folder means it; a name on a hub stays."""
    if name not in (*NAMES, *PLACES) or not value or is_foreign(value):
        return value
    path = Path(value).expanduser()
    return str(path.absolute()) if name in PLACES or path.exists() else value


def _yaml(value: Any) -> str:
    """A value as YAML takes it on one line: JSON is YAML."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
