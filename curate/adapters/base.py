"""What every adapter is: a module beside one layer, its forward, its dense ΔW and the tensors a file holds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from curate.adapters.algorithm import PACKAGE, Algorithm
from curate.adapters.spectrum import FactorSpectrum, MatrixSpectrum, Spectrum
from curate.core.declarations import name_of

Layer = nn.Linear | nn.Conv2d
NormLayer = nn.LayerNorm | nn.GroupNorm


@dataclass(frozen=True, slots=True)
class Shape:
    """A layer's geometry; `kernel` is empty for a linear layer."""

    out: int
    into: int
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()

    @classmethod
    def of(cls, layer: Layer | NormLayer) -> Shape:
        """Raises ValueError for what no file format describes: groups, dilation, padding other than zeros.

        A norm counts as a layer of one input.
        """
        if isinstance(layer, NormLayer):
            return cls(layer.weight.numel(), 1)
        if isinstance(layer, nn.Linear):
            return cls(layer.out_features, layer.in_features)
        plain = layer.groups == 1 and set(layer.dilation) == {1} and layer.padding_mode == "zeros"
        if not plain or isinstance(layer.padding, str):
            raise ValueError(
                f"a convolution with groups, dilation or {layer.padding_mode} padding cannot be adapted: {layer}"
            )
        return cls(layer.out_channels, layer.in_channels, layer.kernel_size, layer.stride, tuple(layer.padding))

    @property
    def weight(self) -> tuple[int, ...]:
        """Shape of the layer's weight."""
        return (self.out, self.into, *self.kernel)

    @property
    def spatial(self) -> bool:
        """Whether the kernel is larger than 1×1: what `conv_rank` and tucker are about."""
        return any(k != 1 for k in self.kernel)

    @property
    def area(self) -> int:
        """Taps of the kernel; 1 for a linear layer."""
        return self.kernel[0] * self.kernel[1] if self.kernel else 1

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The layer's operation with another weight of its kernel: [*, out, in(, k, k)]."""
        if not self.kernel:
            return functional.linear(x, weight, bias)
        return functional.conv2d(x, weight, bias, self.stride, self.padding)  # pyright: ignore[reportArgumentType]

    def point(self, x: Tensor, weight: Tensor) -> Tensor:
        """A 1×1 product over the channels with weight [out, in], at stride 1."""
        if not self.kernel:
            return functional.linear(x, weight)
        return functional.conv2d(x, weight[:, :, None, None])


@dataclass(frozen=True, slots=True)
class Plan:
    """What an adapter is built with.

    rank, alpha      of this layer; alpha is the user's (files may hold another, see `Adapter.stored_alpha`)
    factor           LoKr: wanted size of the smaller factor, -1 for as even as possible
    sides            LoKr: (rows, columns) of the smaller factor as a file has them, instead of by `factor`
    full_matrix      LoKr: never split the larger factor
    decompose_both   LoKr: split the smaller factor too, where rank allows
    tucker           split k×k kernels by a core tensor
    scalar           learn a scale that starts at zero instead of a factor that does
    rs               rank-stabilised scale alpha/√rank
    dropout          share of values between or before the factors that is dropped while training
    rank_dropout     share of ranks (lora) or rows of ΔW (others) that is dropped
    module_dropout   chance that the adapter adds nothing
    on_input         (IA)³: factors of the inputs instead of the outputs
    constraint       OFT: longest change of the blocks, as a share of the outputs; 0 is without
    rescaled         OFT: also learn each output's length
    unit             DyLoRA: ranks that are trained at a time
    """

    rank: int
    alpha: float
    factor: int = -1
    sides: tuple[int, int] | None = None
    full_matrix: bool = False
    decompose_both: bool = False
    tucker: bool = False
    scalar: bool = False
    rs: bool = False
    dropout: float = 0.0
    rank_dropout: float = 0.0
    module_dropout: float = 0.0
    on_input: bool = False
    constraint: float = 0.0
    rescaled: bool = False
    unit: int = 4


class Adapter(nn.Module):
    """A change of one frozen layer, with parameters in float32; at the start it changes nothing.

    Dropout and DoRA are wrappers that hold an adapter and are adapters themselves.
    """

    algorithm: Algorithm
    """What the class declares of itself; its name is the file's."""
    shape: Shape
    plan: Plan
    scale: float
    """What the product of the parameters is multiplied with: alpha/rank; 1 where an algorithm has no scale."""

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__()
        self.shape, self.plan = shape, plan

    def attach(self, layer: Layer) -> None:
        """Takes the layer that it will change; asked once, before `start`."""

    @abstractmethod
    def start(self, draw: torch.Generator) -> None:
        """Draws the start values; nothing is changed afterwards."""

    @abstractmethod
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        """The changed layer's output for input x. (`nn.Module` has an `apply` of its own.)"""

    @abstractmethod
    def delta(self) -> Tensor:
        """ΔW, float32, in the layer weight's shape."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What a file holds for this layer, by suffix."""

    @abstractmethod
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the values of a file's tensors, of any float type.

        Raises ValueError where names or shapes differ.
        """

    def factors(self) -> tuple[Tensor, Tensor] | None:
        """ΔW, scale included, as up [out, r] · down [r, in·k·k]; None where no such pair is smaller than ΔW."""
        return None

    @torch.no_grad()
    def spectrum(self) -> Spectrum:
        """The singular values of ΔW as a matrix [out, in·k·k], in the cheapest way the algorithm has."""
        pair = self.factors()
        return MatrixSpectrum(self.delta().flatten(1)) if pair is None else FactorSpectrum(*pair)

    @property
    def is_random(self) -> bool:
        """Whether training draws random numbers in here."""
        return False

    @property
    def decomposed(self) -> bool:
        """Whether the lengths of the weight's columns are learned apart (DoRA)."""
        return False

    @property
    def given_alpha(self) -> float:
        """The alpha that the plan would be given for this scale."""
        return self.scale * (self.plan.rank**0.5 if self.plan.rs else self.plan.rank)

    def column_lengths(self, weight: Tensor) -> Tensor:
        """Length [in] of each column of weight + ΔW."""
        delta = self.delta()
        whole = weight.to(delta.dtype) + delta
        return whole.transpose(0, 1).flatten(1).norm(dim=1)

    def limit(self, longest: float) -> None:
        """Shortens ΔW to at most this norm; nothing where an algorithm has no ΔW to shorten."""

    def rescale(self, scale: float) -> None:
        """Another scale for the same ΔW; nothing where an algorithm has none."""


class BareAdapter(Adapter):
    """The adapter of one algorithm, which its file defines and declares."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "algorithm" in vars(cls) and not cls.algorithm.name:
            cls.algorithm = replace(cls.algorithm, name=name_of(PACKAGE, cls.__module__))

    @classmethod
    def create(cls, shape: Shape, plan: Plan) -> BareAdapter:
        """An adapter without values; a class that has several forms chooses one by the plan."""
        return cls(shape, plan)

    @classmethod
    @abstractmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        """The plan that makes an adapter of a file's tensors of one layer, alpha aside."""


@torch.no_grad()
def copy_values(parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copies a file's tensors into the parameters of the same suffix.

    Raises ValueError for a suffix that is missing or unknown, and for another shape.
    """
    if odd := sorted((tensors.keys() - {"alpha"}) ^ parameters.keys()):
        raise ValueError(f"{odd[0]} is {'unexpected' if odd[0] in tensors else 'missing'}")
    for name, parameter in parameters.items():
        given = tensors[name]
        if bare(given.shape) != bare(parameter.shape):
            raise ValueError(f"{name} has shape {list(given.shape)}, expected {list(parameter.shape)}")
        parameter.copy_(given.reshape(parameter.shape))


def bare(shape: torch.Size) -> tuple[int, ...]:
    """A shape without its axes of length 1: whether a 1×1 kernel is written out differs from program to program."""
    return tuple(d for d in shape if d != 1)


def kaiming(tensor: Tensor, draw: torch.Generator) -> None:
    """The start of torch's own layers: uniform, bound 1/√fan_in."""
    nn.init.kaiming_uniform_(tensor, a=5**0.5, generator=draw)
