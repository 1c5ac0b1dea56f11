"""Puts adapters on a backbone's layers, takes them off again, and turns them into a file's tensors and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from curate.adapters.algorithm import algorithm
from curate.adapters.base import Adapter, Layer, NormLayer, Shape
from curate.adapters.layer_name import LayerName
from curate.adapters.wrappers import Dora
from curate.diffusion.base import Backbone
from curate.errors import InputError
from curate.train.runtime.seeds import derive_seed

Make = Callable[[LayerName, Shape], Adapter | None]


def no_layer() -> InputError:
    """What is raised where the options leave nothing to train."""
    return InputError("no layer of the base model is left to train", "choose another layer_preset")


class Adapted(nn.Module):
    """A frozen layer and its adapter in the layer's place."""

    def __init__(self, layer: Layer | NormLayer, adapter: Adapter) -> None:
        super().__init__()
        self.layer, self.adapter = layer, adapter
        self.enabled = True

    def forward(self, x: Tensor) -> Tensor:
        """layer(x) + ΔW·x."""
        return self.adapter.apply_to(self.layer, x) if self.enabled else self.layer(x)  # pyright: ignore[reportArgumentType]

    @property
    def weight(self) -> Tensor:
        """The frozen layer's weight: libraries look at its dtype."""
        return self.layer.weight


@dataclass
class Network:
    """The adapters of a run by the layer's key, in forward order."""

    backbone: Backbone
    adapters: dict[str, Adapter]
    layer_names: dict[str, LayerName]

    @classmethod
    def attach(
        cls,
        backbone: Backbone,
        layer_names: list[LayerName],
        make: Make,
        seed: int,
        dora: Callable[[LayerName], bool] = lambda _: False,
    ) -> Network:
        """Puts an adapter on every layer where `make` gives one; `dora` says which of them are decomposed.

        Start values depend on the seed and the layer's key alone. Raises InputError where no layer is left.
        """
        adapters: dict[str, Adapter] = {}
        used: dict[str, LayerName] = {}
        for layer_name in layer_names:
            layer = trainable(backbone, layer_name)
            adapter = make(layer_name, Shape.of(layer)) if layer is not None else None
            if layer is None or adapter is None:
                continue
            adapter.attach(layer)  # pyright: ignore[reportArgumentType]
            adapter.start(torch.Generator().manual_seed(derive_seed(seed, "start", layer_name.key)))
            if "dora" in adapter.algorithm.options and dora(layer_name):
                adapter = Dora(adapter, layer.weight)
            backbone.place(layer_name, Adapted(layer, adapter))
            adapters[layer_name.key], used[layer_name.key] = adapter, layer_name
        if not adapters:
            raise no_layer()
        return cls(backbone, adapters, used)

    def detach(self) -> None:
        """Gives the backbone its own layers back."""
        for layer_name in self.layer_names.values():
            wrapped = self.backbone.at(layer_name)
            if isinstance(wrapped, Adapted):
                self.backbone.place(layer_name, wrapped.layer)

    def enable(self, enabled: bool) -> None:
        """Lets the adapters take part, or the frozen base alone."""
        for layer_name in self.layer_names.values():
            wrapped = self.backbone.at(layer_name)
            if isinstance(wrapped, Adapted):
                wrapped.enabled = enabled

    def train(self, training: bool) -> None:
        """Switches dropouts on or off."""
        for adapter in self.adapters.values():
            adapter.train(training)

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Every trained parameter as `key of the layer/parameter`."""
        for name, adapter in self.adapters.items():
            for key, parameter in adapter.named_parameters():
                yield f"{name}/{key}", parameter

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds: kohya's names to float32 tensors on the CPU."""
        out: dict[str, Tensor] = {}
        for name, adapter in self.adapters.items():
            point = self.backbone.stored_as_point(self.layer_names[name])
            stored = algorithm(adapter.algorithm.stored)  # LoCon and DyLoRA write LoRA's tensors
            with_kernel = (*stored.kernel_axes, "dora_scale") if point else ()
            for suffix, tensor in adapter.tensors().items():
                held = as_point(tensor) if suffix in with_kernel else tensor
                out[f"{name}.{suffix}"] = (held.float() if held.is_floating_point() else held).cpu()
        return out

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the values of a file of the same form. Raises InputError naming the first layer that does not fit."""
        grouped = by_layer(tensors)
        if odd := sorted(set(grouped) ^ set(self.adapters)):
            raise InputError(f"the file and the network differ in layers: {', '.join(odd[:3])}")
        for name, adapter in self.adapters.items():
            try:
                adapter.load(grouped[name])
            except ValueError as error:
                raise InputError(f"{name}: {error}") from error


def as_point(tensor: Tensor) -> Tensor:
    """A linear layer's tensor, [out, in] or [width], with the kernel's axes of a 1×1 convolution."""
    return tensor[None, :, None, None] if tensor.dim() == 1 else tensor[:, :, None, None]


def trainable(backbone: Backbone, layer_name: LayerName) -> Layer | NormLayer | None:
    """The layer or norm of that name, or None where this model has none there."""
    found = backbone.at(layer_name)
    return found if isinstance(found, NormLayer) else backbone.layer(layer_name)


def by_layer(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """A file's tensors by layer name and suffix; kohya's layer names hold no dot."""
    grouped: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, suffix = key.partition(".")
        grouped.setdefault(name, {})[suffix] = tensor
    return grouped
