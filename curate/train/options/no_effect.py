"""How options are refused that do nothing: one or several with the same reason."""

from __future__ import annotations

from collections.abc import Sequence

from curate.errors import InputError
from curate.train.options.algorithms import both


def no_effect(names: Sequence[str], why: str, remedy: str = "leave {it} out") -> InputError:
    """The error; `why` follows "no effect", and {it} in `remedy` becomes "them" for several."""
    several = len(names) > 1
    verb, it = ("have", "them") if several else ("has", "it")
    return InputError(f"{both(names)} {verb} no effect{why}", remedy.replace("{it}", it))
