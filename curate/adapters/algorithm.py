"""The algorithms: what each declares in its own file, read without torch, and from a name to its adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from curate.core import declarations

if TYPE_CHECKING:
    from torch import Tensor


PACKAGE = "curate.adapters"
LYCORIS = "lycoris.kohya"
"""What kohya's metadata name as the module of files that LyCORIS reads."""
JOINABLE = ("lora", "loha")
"""Algorithms, as they are stored, of which several layers can be made one: query, key and value in one matrix."""
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """What an algorithm's class declares, in literal values.

    name            the file's; filled in by the reader
    title, order    what people call it, and its place in help; small numbers come first
    help, use       for `--help` in a few words; what it is good for, in a line
    options         options that do something with it, of `train.options.network.APPLY`
    rank            default; `rank_is` what a rank means here; `full_matrix` where none at all is the default
    alpha           default: "rank", or "half" of it
    conv_rank       defaults of kernels larger than 1×1 where they have their own; else those of the rest
    rate            default learning rate; `rates` the range that suits it, where it is far from others'
    layers          default choice of layers; `presets` are choices of its own: endings of layers' paths
    input_layers    endings of the paths of layers whose input it changes instead of the output
    tensors         suffixes in a file; `kernel_axes` those with the kernel's axes in a convolution's file
    strength_in     tensors that carry the effect: those of a file times a number give its effect times that number;
                    none where the effect is not proportional to any
    rows            tensors with a row for each output; where given, some rows of these and the rest are the algorithm's
                    tensors of those outputs alone
    detects         a tensor that only its files have, of so many `detects_axes` where that matters
    stores_as       the algorithm whose files it writes, where that is another
    switching       each step trains other parameters and leaves the rest without a gradient
    norms           it changes norm layers and is no choice for others
    cost            arithmetic of a step against the frozen base's: 1 + what it adds, and `cost_per_rank` for each rank
    most_rank       rank above which more is rarely better; `most_conv_rank` of kernels larger than 1×1
    module          program module that loads its files in kohya's metadata; `trainer` the one that trains, if its own
    lycoris         its name in LyCORIS' settings, where that is another; `lycoris_default` where none is given
    gui             its names in the GUI's settings
    conv_form_of    the algorithm that becomes this one where kohya's settings give convolutions a rank
    recorded        fields of the plan that the metadata name
    """

    name: str = ""
    title: str
    order: int = 100
    help: str
    use: str
    options: tuple[str, ...] = ()
    rank: int = 1
    rank_is: str = ""
    full_matrix: bool = False
    alpha: str = "rank"
    conv_rank: int | None = None
    conv_alpha: float | None = None
    rate: float = 1e-4
    rates: tuple[float, float] | None = None
    layers: str = "attn-mlp"
    presets: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    input_layers: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()
    kernel_axes: tuple[str, ...] = ()
    strength_in: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    detects: str = ""
    detects_axes: int = 0
    stores_as: str = ""
    switching: bool = False
    norms: bool = False
    cost: float = 1.0
    cost_per_rank: float = 0.0
    most_rank: int | None = None
    most_conv_rank: int | None = None
    module: str = LYCORIS
    trainer: str = ""
    lycoris: str = ""
    lycoris_default: bool = False
    gui: tuple[str, ...] = ()
    conv_form_of: str = ""
    recorded: tuple[str, ...] = ()

    @property
    def stored(self) -> str:
        """The algorithm whose files it reads and writes."""
        return self.stores_as or self.name


def algorithms() -> dict[str, Algorithm]:
    """Every algorithm of this folder by name, those for norms too."""
    return declarations.declared(PACKAGE, Algorithm)


def choices() -> dict[str, Algorithm]:
    """The algorithms that a user may choose, in the order of help."""
    return {name: found for name, found in algorithms().items() if not found.norms}


def algorithm(name: str) -> Algorithm:
    """The algorithm of that name, or of a module at a dotted path. Raises InputError."""
    return declarations.find(PACKAGE, Algorithm, name, "algorithm")


def for_norms() -> str:
    """The algorithm that changes norm layers."""
    return next(name for name, found in algorithms().items() if found.norms)


def algorithm_of(tensors: Mapping[str, Tensor], plugins: Iterable[str] = ()) -> str | None:
    """The algorithm whose tensors a layer of a file holds; None for what none of this folder and of `plugins` reads."""
    for name, found in (algorithms() | {name: algorithm(name) for name in plugins}).items():
        if not found.detects or found.stores_as:
            continue
        matching = [t for s, t in tensors.items() if s == found.detects or s.startswith(f"{found.detects}_")]
        if matching and (not found.detects_axes or matching[0].dim() == found.detects_axes):
            return name
    return None
