"""What the hub name of a base tells before anything of it is fetched."""

from __future__ import annotations

import re

from curate.diffusion import distilled, foreign
from curate.diffusion.family import families, family, titles
from curate.errors import InputError


def family_of_name(name: str) -> str | None:
    """The family that a base's name tells; the later one in help where several do: SDXL's names hold SD's."""
    lowered = name.lower()
    telling = [f for f, one in families().items() if any(re.search(pattern, lowered) for pattern in one.names)]
    return telling[-1] if telling else None


def check_trainable(name: str, given_family: str | None, given_distilled: bool | None) -> None:
    """Raises InputError for a name of what cannot be trained, or of a distilled model, unless the user says otherwise.

    `given_family` and `given_distilled` are what the user says of it.
    """
    if given_family is None and (other := foreign.of_name(name)):
        raise InputError(
            f"{name} looks like {other}, which cannot be trained",
            f"{titles()} models can; give family if the name misleads",
        )
    known = given_family or family_of_name(name)
    if known is not None and given_distilled is None:
        own = family(known)
        if own.distilled and distilled.is_distilled(own, name):
            raise distilled.refusal(own, name, "; or give --distilled to train on this one all the same")
