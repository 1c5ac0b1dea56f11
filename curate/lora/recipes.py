"""Recipes: which singular values of a LoRA are kept, written as `fro_ckpt=1,thr=-3.5`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from curate.core.findings import raise_together
from curate.core.registry import nearest
from curate.errors import InputError

REFERENCES = {
    "spn_ckpt": "the spectral norm of the base's layer",
    "fro_ckpt": "the Frobenius norm of the base's layer",
    "spn_lora": "the largest singular value of the LoRA's layer",
    "fro_lora": "the Frobenius norm of the LoRA's layer",
    "subspace": "what the base's layer does in the same direction",
    "params": "the numbers that a rank costs in the layer",
}
"""What a singular value may be compared with."""
OF_BASE = ("spn_ckpt", "fro_ckpt", "subspace")
SHARES = ("sum", "fro", "ratio")
"""Of each layer by itself: share of the sum, share of the Frobenius norm, largest to smallest singular value."""
KEYS = (*REFERENCES, *SHARES, "thr", "size", "rank", "conv_rank", "rescale")
UNIT_NAMES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
UNITS = {"": 1, **{name.lower(): size for name, size in UNIT_NAMES.items()}}
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is kept.

    text        as the user wrote it
    weights     references and their shares, which sum to 1
    threshold   least log10 of a value against its references
    size        most bytes of the whole file
    share       of each layer by itself: one of SHARES and its value
    rank, conv_rank   the most that a layer keeps; of kernels larger than 1×1
    rescale     factor of ΔW, applied before anything is compared
    """

    text: str
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    threshold: float | None = None
    size: int | None = None
    share: tuple[str, float] | None = None
    rank: int | None = None
    conv_rank: int | None = None
    rescale: float = 1.0

    @property
    def needs_base(self) -> bool:
        """Whether it compares with the base model."""
        return any(name in self.weights for name in OF_BASE)

    @property
    def label(self) -> str:
        """The recipe as part of a file's name."""
        return re.sub(r"[^\w.+-]+", "_", self.text).strip("_")


def parse(text: str) -> Recipe:
    """A recipe as written. Raises InputError that says what is wrong with it."""
    values: dict[str, float] = {}
    raise_together([lambda part=part: _read(text, part, values) for part in text.split(",")])
    recipe = _recipe(text, values)
    _check(recipe, values)
    return recipe


def _read(text: str, part: str, values: dict[str, float]) -> None:
    """Adds a part of a recipe to `values`."""
    key, _, value = part.strip().partition("=")
    key = key.strip()
    if key not in KEYS:
        raise InputError(f'recipe "{text}": unknown word "{key}"', nearest(key, KEYS))
    if key in values:
        raise InputError(f'recipe "{text}": {key} is there twice')
    values[key] = _number(text, key, value.strip())


def _number(text: str, key: str, value: str) -> float:
    if not value and key in REFERENCES:
        return 1.0
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    least = {"thr": float("-inf"), "rank": 1, "conv_rank": 1}.get(key, 0)
    if not number >= least or number == float("inf"):
        raise InputError(f'recipe "{text}": {key}={value} is not a number that {key} can be')
    if key in ("rank", "conv_rank") and number != int(number):
        raise InputError(f'recipe "{text}": {key}={value} is not a whole number')
    return number


def _recipe(text: str, values: Mapping[str, float]) -> Recipe:
    weights = {key: values[key] for key in REFERENCES if values.get(key)}
    total = sum(weights.values())
    return Recipe(
        text,
        {key: value / total for key, value in weights.items()},
        values.get("thr"),
        int(values["size"] * MIB) if "size" in values else None,
        next(((key, values[key]) for key in SHARES if key in values), None),
        int(values["rank"]) if "rank" in values else None,
        int(values["conv_rank"]) if "conv_rank" in values else None,
        values.get("rescale", 1.0),
    )


def _check(recipe: Recipe, values: Mapping[str, float]) -> None:
    text = f'recipe "{recipe.text}"'
    chosen = [key for key in ("thr", "size", *SHARES) if key in values]
    if len(chosen) > 1:
        raise InputError(f"{text}: {chosen[0]} and {chosen[1]} both choose what is kept", "give one of them")
    if not chosen and recipe.rank is None:
        raise InputError(f"{text} does not say how much is kept", "add thr=, size=, sum=, fro=, ratio= or rank=")
    compared = bool(chosen) and chosen[0] in ("thr", "size")
    if compared and not recipe.weights:
        raise InputError(f"{text}: {chosen[0]} compares with nothing", f"add one of {', '.join(REFERENCES)}")
    if recipe.weights and not compared:
        raise InputError(f"{text}: {next(iter(recipe.weights))} has no effect without thr or size")
    share = recipe.share
    if share and ((share[0] == "ratio" and share[1] < 1) or (share[0] != "ratio" and not 0 < share[1] <= 1)):
        wanted = "at least 1" if share[0] == "ratio" else "above 0 and at most 1"
        raise InputError(f"{text}: {share[0]} is {wanted}")
    if not recipe.rescale:
        raise InputError(f"{text}: rescale=0 leaves nothing")


def bytes_of(text: str) -> int:
    """A size such as 20MB, 1.5 GiB or 800 kB. Raises InputError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    unit = match[2].lower() if match else ""
    if match is None or unit not in UNITS or not float(match[1]):
        units = ", ".join(UNIT_NAMES)
        raise InputError(f'"{text}" is not a size', f"write a number and one of {units}, such as 20MB")
    return int(float(match[1]) * UNITS[unit])


def chosen(
    texts: Sequence[str],
    rank: int | None,
    conv_rank: int | None,
    size: str | None,
    rescale: float | None,
    with_base: bool,
) -> list[Recipe]:
    """The recipes that the options of a command mean; ranks and rescale go into each.

    A size alone compares with the base where there is one, else with the LoRA's own layers. Raises InputError.
    """
    recipes: list[Recipe] = []
    checks: list[Callable[[], object]] = [lambda text=text: recipes.append(parse(text)) for text in texts]
    raise_together([*checks, lambda: _check_size(size, recipes), lambda: _check_rescale(rescale)])
    if size is not None:
        reference = "fro_ckpt" if with_base else "params"
        recipes = [Recipe(f"size={size}", {reference: 1.0}, size=bytes_of(size))]
    if not recipes and rank is None:
        raise InputError("how much to keep is not said", "add --rank 4, --recipe fro_ckpt=1,thr=-3.5 or --size 20MB")
    recipes = recipes or [Recipe(f"rank={rank}")]
    own = {"rank": rank, "conv_rank": conv_rank, "rescale": rescale}
    return [replace(one, **{key: value for key, value in own.items() if value is not None}) for one in recipes]


def _check_size(size: str | None, recipes: Sequence[Recipe]) -> None:
    if size is None:
        return
    bytes_of(size)
    if any(one.size is not None or one.threshold is not None or one.share for one in recipes):
        raise InputError("--size and --recipe both choose what is kept", "give one of them, or a recipe with size=")


def _check_rescale(rescale: float | None) -> None:
    if rescale is not None and not 0 < rescale < float("inf"):
        raise InputError(f"--rescale {rescale:g} is no strength", "give a number above 0")
