"""Base place: where the base of a training is and what kind it is, found out without torch."""

from __future__ import annotations

from pathlib import Path

from curate.diffusion.detect import Traits, traits, traits_of_family
from curate.diffusion.family import family
from curate.diffusion.folder_check import check_folder
from curate.diffusion.locate import locate_base
from curate.errors import CurateError, InputError
from curate.train.options import TrainOptions


def base_place(options: TrainOptions) -> Path | None:
    """Where the base is on this machine. None where it is not there, or not named, and `family` says what it is.

    Raises InputError and MissingError without a family.
    """
    if options.family is not None and "base" not in options.model_fields_set:
        return None
    try:
        return locate_base(options.base, offline=True)
    except CurateError:
        if options.family is None:
            raise
        return None


def base_traits(options: TrainOptions, place: Path | None) -> Traits:
    """What the base at a place is; that of its family without one. Raises InputError for what cannot be trained."""
    if place is None:
        assert options.family is not None
        return traits_of_family(options.family)
    base = traits(options.base, offline=True, family=options.family)
    check_family(options, base.family)
    if place.is_dir():
        check_folder(place, family(base.family), own_vae=not options.vae)
    return base


def check_family(options: TrainOptions, family: str) -> None:
    """Raises InputError where the base is of another family than the user says."""
    if options.family is not None and options.family != family:
        raise InputError(
            f"family {options.family}: the base {options.base} is {family}", "give another base, or leave family out"
        )
