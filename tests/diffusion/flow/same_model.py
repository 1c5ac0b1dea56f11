"""Whether a family's model is the one of diffusers: a training step, the layers of the full size, predictions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.diffusion.base import Backbone
from curate.diffusion.load import load
from curate.train.loop.flow import FlowSchedule, TimeDraw

CPU = torch.device("cpu")


class TrainingStep:
    """One step of ours at two times, and what diffusers' transformer is `given` for the same.

    given    the noisy latents [2, channels, h, w], mixed by hand
    target   what the network is to predict of them, noise − latents
    """

    def __init__(
        self, place: Path, captions: Sequence[str], checkpointing: bool, shape: tuple[int, int, int] = (16, 8, 12)
    ) -> None:
        self.ours = load(str(place), True)
        torch.manual_seed(2)
        latents, noise, self.sigma = torch.randn(2, *shape), torch.randn(2, *shape), torch.tensor([0.2, 0.9])
        self.texts = self.ours.captions.encode(captions, CPU, torch.float32)  # type: ignore[union-attr]
        self.conditions = self.ours.collate(self.texts)
        network: Any = self.ours.parts["unet"]
        if checkpointing:
            network.enable_gradient_checkpointing()
            network.train()
        schedule = FlowSchedule(TimeDraw())
        self._noisy = schedule.noisy(latents, noise, self.sigma).requires_grad_()
        found = self.ours.predict(self._noisy, self.sigma, self.conditions)
        self._loss = (found - schedule.target(latents, noise, self.sigma)).square().mean()
        self._loss.backward()  # type: ignore[no-untyped-call]
        share = self.sigma.view(2, 1, 1, 1)
        self.given, self.target = ((1 - share) * latents + share * noise).requires_grad_(), noise - latents

    def check(self, errors: Tensor) -> None:
        """Loss and gradient are those of the differences to the target that diffusers' transformer makes."""
        expected = errors.square().mean()
        expected.backward()  # type: ignore[no-untyped-call]
        torch.testing.assert_close(self._loss, expected, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(self._noisy.grad, self.given.grad)


def check_layers(outlined: Backbone, model: nn.Module, without: Collection[str] = ()) -> set[str]:
    """The linear layers of diffusers' model: each has a name of ours, but for those left out on purpose."""
    linear = {path for path, module in model.named_modules() if type(module) is nn.Linear}
    assert linear >= set(without)
    named = {name.path for name in outlined.layer_names() if outlined.layer(name) is not None}
    assert named == linear - set(without)
    return linear


def check_shapes(outlined: Backbone, model: nn.Module) -> None:
    """The network outlined for counting has the tensors of diffusers' model."""
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    assert {key: tuple(tensor.shape) for key, tensor in outlined.parts["unet"].state_dict().items()} == expected


def check_configuration(model: Any, narrow: Any) -> None:
    """Both of diffusers' models were made with the same values."""
    first, second = (
        {key: value for key, value in one.config.items() if not key.startswith("_")} for one in (model, narrow)
    )
    assert first == second


def check_predictions(
    backbone: Backbone,
    other: Backbone,
    shape: tuple[int, int, int] = (16, 8, 8),
    captions: Sequence[str] = ("a dog", ""),
) -> None:
    """Both encode captions alike and predict alike."""
    ours, theirs = (
        one.collate(one.captions.encode(captions, CPU, torch.float32))  # type: ignore[union-attr]
        for one in (backbone, other)
    )
    noisy, times = torch.randn(len(captions), *shape), torch.tensor([0.4, 0.7][: len(captions)])
    with torch.no_grad():
        torch.testing.assert_close(other.predict(noisy, times, theirs), backbone.predict(noisy, times, ours))


def adaptable_weights_are(backbone: Backbone, weights: Any) -> bool:
    """Whether a file holds the weight of each layer under the layer's name."""
    layers = ((name.key, backbone.layer(name)) for name in backbone.layer_names())
    return all(torch.equal(weights.weight(key), layer.weight) for key, layer in layers if layer is not None)
