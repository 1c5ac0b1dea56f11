"""What the options know of algorithms, derived from what each declares: which options apply, and their defaults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from curate.adapters.algorithm import Algorithm, algorithm, choices
from curate.core.registry import nearest
from curate.errors import InputError
from curate.train.options.layer_rules import rules

if TYPE_CHECKING:
    from curate.train.options.network import NetworkOptions

FORMS = {
    "rank": ("rank", "conv_rank", "block_ranks", "conv_block_ranks"),
    "alpha": ("alpha", "conv_alpha", "block_alphas", "conv_block_alphas"),
}
"""Options that apply wherever another one does."""


def known(name: str) -> str:
    """The name of an algorithm that can be chosen: of this folder, or a plug-in's dotted path. Raises ValueError."""
    if "." not in name and name not in choices():
        raise ValueError(f'unknown algorithm "{name}": {nearest(name, list(choices()))}')
    try:
        return algorithm(name).name
    except InputError as error:
        raise ValueError(str(error)) from error


def algorithms_of(options: NetworkOptions) -> frozenset[str]:
    """Every algorithm that some layer may have."""
    return frozenset((options.algo, *(rule.algo for rule in rules(options.layers) if rule.algo)))


def applies(option: str, name: str) -> bool:
    """Whether an algorithm declares that an option does something with it."""
    try:
        return option in algorithm(name).options
    except InputError:  # a name that validation refuses
        return False


def needs() -> dict[str, tuple[str, Callable[[NetworkOptions], bool]]]:
    """Options that only some algorithms take: which, in words and as a test."""
    declared = dict.fromkeys(option for found in choices().values() for option in found.options)
    return {form: _needed(option) for option in declared for form in FORMS.get(option, (option,))}


def _needed(option: str) -> tuple[str, Callable[[NetworkOptions], bool]]:
    names = [name for name, found in choices().items() if option in found.options]
    return f"algo {either(names)}", lambda o: any(applies(option, name) for name in algorithms_of(o))


def takers(option: str) -> str:
    """The algorithms that take an option, for the start of its help."""
    return ", ".join(name for name, found in choices().items() if option in found.options)


def defaults(value: Callable[[Algorithm], str], option: str = "") -> str:
    """What algorithms take by default, in words: the most frequent value, then the others' by name."""
    values = {name: value(found) for name, found in choices().items() if not option or option in found.options}
    usual = Counter(values.values()).most_common(1)[0][0]
    others = {text: [n for n in values if values[n] == text] for text in values.values() if text != usual}
    return "; ".join((f"default {usual}", *(f"for {both(names)} {text}" for text, names in others.items())))


def rank_text(algorithm: Algorithm) -> str:
    """An algorithm's default rank in words."""
    if algorithm.full_matrix:
        return "the full matrix"
    return f"{algorithm.rank} ({algorithm.rank_is})" if algorithm.rank_is else str(algorithm.rank)


def conv_text(value: float | None, otherwise: str) -> str:
    """A default of large kernels in words."""
    return otherwise if value is None else f"{value:g}"


def short_help() -> str:
    """Every algorithm with a few words."""
    return ", ".join(f"{name} ({found.help})" for name, found in choices().items())


def table() -> str:
    """Every algorithm in a line of its own: what it is good for."""
    names: dict[str, list[str]] = {}
    for name, found in choices().items():
        rate = f"; rate {_rate(found.rates[0])} to {_rate(found.rates[1])}" if found.rates else ""
        names.setdefault(found.use + rate, []).append(name)
    return "\n".join(f"  {', '.join(group):<15} {use}" for use, group in names.items())


def _rate(value: float) -> str:
    return f"{value:g}".replace("e-0", "e-")


def either(names: Iterable[str]) -> str:
    """Names as a choice."""
    return " or ".join(names)


def both(names: Iterable[str]) -> str:
    """Names as a sum."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
