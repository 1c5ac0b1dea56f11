"""What every adapter is: a module beside one layer, its forward, its dense ΔW and the tensors a file holds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

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


PORTION = 1 << 20
"""Numbers of ΔW that exist at once where its length is measured by rows."""


class Adapter(nn.Module):
    """A change of one frozen layer, with parameters in float32; at the start it changes nothing."""

    algorithm: ClassVar[Algorithm]
    """What the class declares of itself; its name is the file's."""
    dora_scale: nn.Parameter | None
    """Lengths of the changed weight's columns where they are learnt apart (DoRA), [1, in(, 1, 1)]."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "algorithm" in vars(cls) and not cls.algorithm.name:
            cls.algorithm = replace(cls.algorithm, name=name_of(PACKAGE, cls.__module__))

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__()
        self.shape, self.plan = shape, plan
        self.rank, self.scale = plan.rank, 1.0
        self.dora_scale = None

    @classmethod
    def create(cls, shape: Shape, plan: Plan) -> Adapter:
        """An adapter without values; a class that has several forms chooses one by the plan."""
        return cls(shape, plan)

    @classmethod
    @abstractmethod
    def plan_of(cls, tensors: Mapping[str, Tensor]) -> Plan:
        """The plan that makes an adapter of a file's tensors of one layer, alpha aside."""

    def attach(self, layer: Layer) -> None:
        """Takes the layer that it will change; asked once, before `start`."""

    @abstractmethod
    def start(self, draw: torch.Generator) -> None:
        """Draws the start values; nothing is changed afterwards."""

    @abstractmethod
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        """The changed layer's output for input x, with dropouts while training."""

    @abstractmethod
    def delta(self) -> Tensor:
        """ΔW, float32, in the layer weight's shape."""

    @abstractmethod
    def bare_tensors(self) -> dict[str, Tensor]:
        """The parameters by their suffix in a file, in the file's shapes; the first takes the learnt scalar in."""

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds for this layer, by suffix."""
        return {name: tensor.detach() for name, tensor in self.bare_tensors().items()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the values of a file's tensors, of any float type.

        Raises ValueError where names or shapes differ.
        """
        own = self.bare_tensors() | ({} if self.dora_scale is None else {"dora_scale": self.dora_scale})
        if odd := sorted((tensors.keys() - {"alpha"}) ^ own.keys()):
            raise ValueError(f"{odd[0]} is {'unexpected' if odd[0] in tensors else 'missing'}")
        for name, parameter in own.items():
            given = tensors[name]
            if bare(given.shape) != bare(parameter.shape):
                raise ValueError(f"{name} has shape {list(given.shape)}, expected {list(parameter.shape)}")
            parameter.copy_(given.reshape(parameter.shape))

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
        return bool(self.plan.dropout or self.plan.rank_dropout or self.plan.module_dropout)

    @property
    def given_alpha(self) -> float:
        """The alpha that the plan would be given for this scale."""
        return self.scale * (self.plan.rank**0.5 if self.plan.rs else self.plan.rank)

    def limit(self, longest: float) -> None:
        """Shortens ΔW to at most this norm; nothing where an algorithm has no ΔW to shorten."""

    def rescale(self, scale: float) -> None:
        """Another scale for the same ΔW; nothing where an algorithm has none."""


class LinearAdapter(Adapter):
    """ΔW beside one frozen layer: y = layer(x) + ΔW·x.

    `forward` gives only what is added (no bias), in the cheapest form the algorithm has; `delta` is the dense ΔW.
    """

    scalar: nn.Parameter | None

    def __init__(self, shape: Shape, plan: Plan) -> None:
        super().__init__(shape, plan)
        self.scale = plan.alpha / (plan.rank**0.5 if plan.rs else plan.rank)
        self.scalar = nn.Parameter(torch.zeros(())) if plan.scalar else None

    @override
    def apply_to(self, layer: Layer, x: Tensor) -> Tensor:
        x = self.scale_columns(x, layer.weight)
        return layer(x) + self(x) if self.training and self.is_random else self.output(layer, x)

    def output(self, layer: Layer, x: Tensor) -> Tensor:
        """layer(x) + ΔW·x without dropouts; in one, where the algorithm has a cheaper form for that."""
        return layer(x) + self(x)

    @property
    def stored_alpha(self) -> float:
        """The alpha of a file, such that a reader's alpha/rank is our scale."""
        return self.scale * self.rank

    @property
    def factor(self) -> Tensor | float:
        """What the bare product is multiplied with: alpha/rank, and the learnt scalar where there is one."""
        return self.scale if self.scalar is None else self.scale * self.scalar

    def scaled(self, part: Tensor) -> Tensor:
        """A part of the product with the factor in it."""
        return part if self.scalar is None and self.scale == 1 else part * self.factor

    @abstractmethod
    def bare_delta(self) -> Tensor:
        """ΔW without the scale, in the layer weight's shape."""

    @abstractmethod
    def bare_forward(self, x: Tensor) -> Tensor:
        """ΔW·x without the scale."""

    def product(self, x: Tensor) -> Tensor:
        """ΔW·x, dropouts aside."""
        return self.bare_forward(x) * self.factor

    def forward(self, x: Tensor) -> Tensor:
        """What the adapter adds to the layer's output for input x, with dropouts while training."""
        plan = self.plan
        if not self.training or not self.is_random:
            return self.product(x)
        out = self.product_with_dropout(x)
        if plan.module_dropout:
            # a factor instead of a branch: every adapter gets a gradient, and the GPU need not be asked
            out = out * (torch.rand((), device=x.device) >= plan.module_dropout)
        return out

    def product_with_dropout(self, x: Tensor) -> Tensor:
        """ΔW·x with values of x and rows of ΔW dropped, the rest scaled up to the same mean."""
        out = self.product(functional.dropout(x, self.plan.dropout))
        if self.plan.rank_dropout:
            rows = functional.dropout(torch.ones(self.shape.out, device=x.device), self.plan.rank_dropout)
            out = out * rows.reshape(-1, *(1,) * len(self.shape.kernel)).to(out.dtype)
        return out

    @torch.no_grad()
    def norm(self) -> Tensor:
        """Frobenius norm of ΔW."""
        return self.delta().norm()

    @torch.no_grad()
    def norm_by_rows(self, rows: Callable[[slice], Tensor]) -> Tensor:
        """Frobenius norm of ΔW where `rows` makes a slice of its outputs without the scale: the whole never exists."""
        each = max(1, PORTION // (self.shape.into * self.shape.area))
        squares = [rows(slice(at, at + each)).square().sum() for at in range(0, self.shape.out, each)]
        return torch.stack(squares).sum().sqrt() * abs(self.factor)

    @override
    @torch.no_grad()
    def limit(self, longest: float) -> None:
        # every factor takes an equal part of it
        parts = [p for p in self.parameters() if p is not self.dora_scale]
        norm = self.norm()
        ratio = (longest / norm.clamp(min=longest)) ** (1 / len(parts))
        for parameter in parts:
            parameter.mul_(ratio)

    def decompose(self, weight: Tensor) -> None:
        """Adds DoRA (arXiv 2402.09353) on the input axis: the length of each column of the weight is learnt apart."""
        self.dora_scale = nn.Parameter(
            self.columns(weight.detach().float()).reshape(1, -1, *(1,) * len(self.shape.kernel))
        )

    def columns(self, weight: Tensor) -> Tensor:
        """Length [in] of each column of weight + ΔW."""
        delta = self.delta()
        whole = weight.to(delta.dtype) + delta
        return whole.transpose(0, 1).flatten(1).norm(dim=1)

    def scale_columns(self, x: Tensor, weight: Tensor) -> Tensor:
        """x with each channel scaled as DoRA scales the weight's columns; the length of W+ΔW is constant (§4.3)."""
        if self.dora_scale is None:
            return x
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            lengths = self.columns(weight)
        gain = (self.dora_scale.flatten() / lengths.clamp(min=1e-12)).to(x.dtype)
        return x * (gain.reshape(-1, 1, 1) if self.shape.kernel else gain)

    @override
    def delta(self) -> Tensor:
        return self.bare_delta() * self.factor

    @override
    def tensors(self) -> dict[str, Tensor]:
        """With the learnt scalar folded in."""
        out = super().tensors()
        if self.scalar is not None:
            first = next(iter(out))
            out[first] = out[first] * self.scalar.detach()
        if self.dora_scale is not None:
            out["dora_scale"] = self.dora_scale.detach()
        return {**out, "alpha": torch.tensor(float(self.stored_alpha))}

    @override
    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Without an alpha it is the rank."""
        super().load(tensors)
        self.scale = self.scale_of(tensors)
        if self.scalar is not None:
            self.scalar.fill_(1.0)

    def scale_of(self, tensors: Mapping[str, Tensor]) -> float:
        """The scale that a reader gives a file's tensors."""
        return float(tensors["alpha"]) / self.rank if "alpha" in tensors else 1.0

    @override
    @torch.no_grad()
    def rescale(self, scale: float) -> None:
        first = next(iter(self.bare_tensors().values()))
        first.mul_(self.scale / scale)
        self.scale = scale


def bare(shape: torch.Size) -> tuple[int, ...]:
    """A shape without its axes of length 1: whether a 1×1 kernel is written out differs from program to program."""
    return tuple(d for d in shape if d != 1)


def kaiming(tensor: Tensor, draw: torch.Generator) -> None:
    """The start of torch's own layers: uniform, bound 1/√fan_in."""
    nn.init.kaiming_uniform_(tensor, a=5**0.5, generator=draw)
