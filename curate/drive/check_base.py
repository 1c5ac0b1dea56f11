"""The base that `curate check` means: named, of the latest training, or assumed; its tokenizer and its list of tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.checks.vocabulary import Vocabulary, load
from curate.core.summary_file import planned_training
from curate.diffusion.base_names import family_of_name
from curate.diffusion.detect import Traits
from curate.diffusion.family import Family, family
from curate.diffusion.locate import locate_base
from curate.diffusion.text import tokenizer
from curate.errors import InputError, MissingError
from curate.init.bases import prompting_of
from curate.train.options import TrainOptions
from curate.train.output.run_records import runs_of
from curate.train.planning.base_place import base_place, base_traits

ASSUMED = "sdxl"
"""The family that is assumed where nobody names a base: the one that most LoRAs are trained for."""


@dataclass(frozen=True)
class CheckedBase:
    """The base that is meant: its files (None where they are not here), what it is, and what is assumed of it."""

    options: TrainOptions
    traits: Traits
    place: Path | None
    name: str
    assumed: str

    @property
    def family(self) -> Family:
        """What the base's family declares."""
        return family(self.traits.family)


def base_of(target: Path, given: Mapping[str, Any]) -> CheckedBase:
    """The base of the options given, else that of the folder's latest training, else an assumed family."""
    values = dict(given)
    assumed = ""
    if not values.keys() & {"base", "family"}:
        runs = runs_of(target) if target.is_dir() else []
        planned = planned_training(target)
        if runs and (name := str(runs[-1].options.get("base", ""))):
            values = {**_known(runs[-1].options), **values}
            assumed = f"base and options are those of the latest training here ({name})"
        elif name := str(planned.get("base", "")):
            values, assumed = _planned(planned, name)
        else:
            values["family"] = ASSUMED
            assumed = "no base given: SDXL assumed (--base, or --family)"
    elif values.get("base") and not values.get("family"):
        values["family"] = _family(str(values["base"]))
    made = TrainOptions.build({k: v for k, v in values.items() if v is not None})
    place = base_place(made)
    traits = base_traits(made, place)
    if place is None and "base" in values:
        assumed = f"{values['base']} is not on this machine: {traits.family} assumed by its name"
    return CheckedBase(made, traits, place, str(values.get("base") or traits.family), assumed)


def _planned(options: Mapping[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The options of the training that the folder's pipeline plans; its base may not be on this machine yet."""
    values = _known(options)
    try:
        values["family"] = values.get("family") or _family(name)
    except MissingError:
        return {"family": ASSUMED}, f"{name} is not on this machine, and its name tells no family: SDXL assumed"
    return values, f"base and options are those of the pipeline that prepared it ({name})"


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an earlier training that are still options."""
    return {k: v for k, v in options.items() if k in TrainOptions.model_fields and v is not None}


def _family(base: str) -> str | None:
    """The family by the name of a base that is not on this machine. Raises MissingError for a name that tells none."""
    try:
        locate_base(base, offline=True)
    except MissingError:
        if (family := family_of_name(base)) is None:
            raise
        return family
    return None


def tokenizer_of(base: CheckedBase) -> tuple[Any, tuple[str, str]]:
    """The tokenizer of the base, or CLIP's where one is on this machine; else why there is none, and the remedy."""
    if base.family.stored_text:
        return _own_tokenizer(base)
    try:
        return tokenizer.of_base(base.options.tokenizer, base.place), ("", "")
    except (InputError, MissingError) as error:
        return None, (error.message, error.remedy)


def _own_tokenizer(base: CheckedBase) -> tuple[Any, tuple[str, str]]:
    """The tokenizer of a family with another text encoder than CLIP's, where its folder is on this machine."""
    from curate.diffusion.text import caption_encoder  # loads torch

    folder = Path(base.options.tokenizer).expanduser() if base.options.tokenizer else base.place
    if folder is None or not (folder / "tokenizer").is_dir():
        return None, (
            f"the tokenizer of {base.family.title} is not on this machine",
            "give a base in diffusers' layout",
        )
    try:
        return caption_encoder.read_tokenizer("AutoTokenizer", folder / "tokenizer"), ("", "")
    except InputError as error:
        return None, (error.message, error.remedy)


def vocabulary_of(given: str, base: CheckedBase) -> tuple[Vocabulary | None, tuple[str, str]]:
    """The list of tags that is meant; else why there is none, and the remedy."""
    if given == "none":
        return None, ("", "")
    if given == "auto":
        known = prompting_of(base.name) if base.place or "/" in base.name else "danbooru"
        if known == "natural":
            return None, ("", "")
        given = known
        try:
            return load(given), ("", "")
        except MissingError as error:
            return None, (error.message, error.remedy)
    return load(given), ("", "")
