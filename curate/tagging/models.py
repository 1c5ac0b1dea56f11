"""Which models a name stands for, and their errors as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path

import taggers
from curate.core.stage import Env
from curate.errors import InputError, MissingError
from taggers.errors import MissingModelError, NoGpuError, TaggerError


def called(name: str) -> str:
    """What scores of this tagger are kept under."""
    return name if name in taggers.names() else Path(name).expanduser().name


def find(names: Sequence[str], family: str, env: Env) -> Sequence[taggers.AtHand]:
    """The models at hand, fetched where they are not.

    Raises InputError where two have one name, MissingError offline.
    """
    own = [called(n) for n in names]
    if len(set(own)) < len(own):
        raise InputError(f"two taggers have the same name: {', '.join(own)}", "rename one of the model folders")
    with translated():
        return [taggers.find(n, family_name=family, offline=env.offline) for n in names]


@contextlib.contextmanager
def translated() -> Generator[None]:
    """Errors of the taggers become ours."""
    try:
        yield
    except TaggerError as error:
        kind = MissingError if isinstance(error, (MissingModelError, NoGpuError)) else InputError
        raise kind(error.message, error.remedy) from error
