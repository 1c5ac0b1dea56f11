"""VGG19: the features whose Gram matrices say what a picture's style is (arXiv 1508.06576)."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from curate.errors import InputError, library_reason
from curate.evaluate.metrics import Array, gram
from curate.evaluate.models import ModelFiles

Grams = list[Array]
CONVOLUTIONS = (2, 2, 4, 4, 4)
"""Convolutions of VGG19 between its poolings."""
STYLE_LAYERS = (1, 6, 11, 20, 29)
"""The first rectified convolution of each block: relu1_1 to relu5_1."""
SIDE = 224
"""Pixels to which pictures are scaled: what VGG19 was trained on. A style is measured at one scale."""
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@contextlib.contextmanager
def open_vgg(
    files: ModelFiles, device: torch.device
) -> Generator[Callable[[Sequence[NDArray[np.uint8]]], list[Grams]]]:
    """From pictures H×W×3 to each one's Gram matrices [channels, channels], a matrix for every style layer.

    Raises InputError for a file that holds no VGG19.
    """
    network = _network(_state(files), files).to(device).eval()

    def grams(pictures: Sequence[NDArray[np.uint8]]) -> list[Grams]:
        x = torch.cat([_prepared(p) for p in pictures]).to(device)
        layers: list[Array] = []
        for number, layer in enumerate(network):
            x = layer(x)
            if number in STYLE_LAYERS:
                layers.append(x.float().cpu().numpy())
        return [[gram(layer[n]) for layer in layers] for n in range(len(pictures))]

    try:
        with torch.inference_mode():
            yield grams
    finally:
        network.to("cpu")  # the caller may still hold the function
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _prepared(pixels: NDArray[np.uint8]) -> Tensor:
    """A picture as [1, 3, SIDE, SIDE], with the values that VGG19 was trained on."""
    from torchvision.transforms import functional

    picture = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
    scaled = functional.resize(picture, [SIDE, SIDE], antialias=True)
    return functional.normalize(scaled, list(_MEAN), list(_SPREAD))


def _network(state: Mapping[str, Tensor], files: ModelFiles) -> nn.Sequential:
    """VGG19's layers as torchvision builds them, as wide as the file's tensors say, up to the last style layer."""
    from torchvision.models.vgg import make_layers

    plan: list[Any] = []
    number = 0
    for block in CONVOLUTIONS:
        for _ in range(block):
            weight = state.get(f"features.{number}.weight")
            if weight is None or weight.dim() != 4:
                raise _refusal(files, f"it has no features.{number}.weight")
            plan.append(len(weight))
            number += 2  # a rectifier follows each convolution
        plan.append("M")
        number += 1
    features = make_layers(plan, batch_norm=False)
    own = {key.removeprefix("features."): t.float() for key, t in state.items() if key.startswith("features.")}
    try:
        features.load_state_dict(own)
    except RuntimeError as error:
        raise _refusal(files, str(error).strip().splitlines()[-1].strip()) from error
    return features[: STYLE_LAYERS[-1] + 1]


def _state(files: ModelFiles) -> Mapping[str, Tensor]:
    path = files.weights
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, SafetensorError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise _refusal(files, library_reason(error) if str(error).strip() else "it is damaged") from error
    if not isinstance(state, Mapping):
        raise _refusal(files, "it holds no tensors by name")
    return state  # pyright: ignore[reportUnknownVariableType]


def _refusal(files: ModelFiles, reason: str) -> InputError:
    return InputError(
        f"vgg: {files.weights} is no VGG19 that can be used: {reason}",
        "give torchvision's vgg19 (a state dict, safetensors or .pth), or a hub name such as timm/vgg19.tv_in1k",
    )
