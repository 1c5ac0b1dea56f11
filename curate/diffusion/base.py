"""What the trainer needs of a base model, whatever its family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from curate.adapters.base import Layer
from curate.adapters.layer_name import LayerName
from curate.core.declarations import name_of
from curate.diffusion.clip_text import ClipText
from curate.diffusion.family import PACKAGE, Family, Prediction


@dataclass(slots=True)
class Conditions:
    """What the UNet is told besides the noisy latents.

    context  [batch, tokens, width] of the text encoders; pooled [batch, width] or None
    sizes    [batch, 6], where a family takes them, or None: original height, width, crop top, left, target height,
             width
    """

    context: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None


@dataclass
class LoadOptions:
    """How a base is loaded.

    clip_skip    layer of the text encoder, from the end, in families that have the choice
    max_tokens   75, 150 or 225
    dtype        of the adaptable parts; the VAE stays float32
    tokenizer    folder or hub name of a CLIP tokenizer, for one-file checkpoints
    prediction   what the user says of it, or auto
    vae          another autoencoder than its own: file, folder or hub name
    family       by the user's word; one at a dotted path is known by it alone
    """

    clip_skip: int = 1
    max_tokens: int = 75
    dtype: torch.dtype = torch.float32
    tokenizer: str = ""
    prediction: str = "auto"
    vae: str = ""
    family: str | None = None


@dataclass
class Parts:
    """What a family reads of a folder or file: adaptable models by name, all of them frozen.

    schedule   of the noise, as diffusers' configurations have it
    """

    models: dict[str, nn.Module]
    vae: nn.Module
    texts: list[ClipText]
    resolution: int
    schedule: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Backbone(ABC):
    """A loaded base model: UNet, VAE, text encoders, all frozen.

    parts       models that adapters attach to, by the name layer names use: unet, te1, te2
    digest      identifies all weights; `vae_digest` the autoencoder's alone
    hashes      of a checkpoint and of an autoencoder in one file, as kohya names and computes them
    """

    family: ClassVar[Family]
    """What the class declares of itself; its name is the file's."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "family" in vars(cls):
            cls.family = replace(cls.family, name=name_of(PACKAGE, cls.__module__))

    name: str
    parts: dict[str, nn.Module]
    vae: nn.Module
    texts: list[ClipText]
    resolution: int
    prediction: Prediction
    ztsnr: bool = False
    digest: str = ""
    vae_digest: str = ""
    scaling: float = 0.18215
    schedule: dict[str, Any] = field(default_factory=dict[str, Any])
    hashes: dict[str, str] = field(default_factory=dict[str, str])

    @abstractmethod
    def layer_names(self) -> list[LayerName]:
        """Every layer that could be adapted, in forward order, text encoders first."""

    @abstractmethod
    def condition(self, tokens: Sequence[Tensor], sizes: Tensor | None) -> Conditions:
        """Encodes token ids, one tensor [batch, chunks, 77] per tokenizer."""

    @abstractmethod
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """The UNet's output for noisy latents [batch, 4, h, w] at timesteps [batch]."""

    @classmethod
    @abstractmethod
    def from_folder(cls, place: Path, base: str, options: LoadOptions) -> Parts:
        """The models of a folder in diffusers' layout. Raises InputError for one that cannot be trained."""

    @classmethod
    @abstractmethod
    def from_file(cls, state: Mapping[str, Tensor], place: Path, options: LoadOptions, offline: bool) -> Parts:
        """The models of a checkpoint's tensors. Raises InputError for one that is not whole."""

    @classmethod
    @abstractmethod
    def outline(cls, configuration: Callable[[str], Mapping[str, Any]]) -> tuple[dict[str, nn.Module], nn.Module]:
        """Parts and autoencoder without values; `configuration` is empty for a part of which nothing is known."""

    def stored_as_point(self, layer_name: LayerName) -> bool:
        """Whether files hold a linear layer's tensors as those of a 1×1 convolution."""
        return layer_name.path.endswith(self.family.point_layers)

    def tokens(self, caption: str) -> list[Tensor]:
        """Token ids [chunks, 77] of one caption, per text encoder."""
        return [text.tokens(caption) for text in self.texts]

    def layer(self, layer_name: LayerName) -> Layer | None:
        """The layer of that name, or None where this model has none there."""
        found = self.at(layer_name)
        return found if isinstance(found, nn.Linear | nn.Conv2d) else None

    def at(self, layer_name: LayerName) -> nn.Module | None:
        """Whatever module is where a layer name says."""
        return module_at(self.parts[layer_name.part], layer_name.path) if layer_name.part in self.parts else None

    def place(self, layer_name: LayerName, module: nn.Module) -> None:
        """Puts a module in the place of the layer."""
        path, _, name = layer_name.path.rpartition(".")
        parent = module_at(self.parts[layer_name.part], path)
        assert parent is not None
        setattr(parent, name, module)

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [batch, 4, h, w] of scaled latents of pictures [batch, 3, H, W] in -1 to 1."""
        moments = self.vae.encode(pictures).latent_dist  # pyright: ignore[reportCallIssue]
        return moments.mean * self.scaling, moments.std * self.scaling

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures [batch, 3, H, W], about -1 to 1, of scaled latents [batch, 4, h, w]."""
        vae: Any = self.vae
        return vae.decode(latents / self.scaling, return_dict=False)[0]

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Channels, height and width of the latents of a picture of so many pixels."""
        config: Any = self.vae.config
        factor = 2 ** (len(config["block_out_channels"]) - 1)
        return int(config["latent_channels"]), height // factor, width // factor

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Moves the adaptable parts; the VAE follows in float32, which it needs not to overflow."""
        for part in self.parts.values():
            nn.Module.to(part, device=device, dtype=dtype)
        nn.Module.to(self.vae, device=device, dtype=torch.float32)


def module_at(root: nn.Module, path: str) -> nn.Module | None:
    """The module at a dotted path; the `text_model` level may be missing (transformers 5)."""
    node: Any = root
    names = path.split(".") if path else []
    if names and names[0] == "text_model" and not hasattr(root, "text_model"):
        names = names[1:]
    for name in names:
        node = getattr(node, name, None)
        if node is None:
            return None
    return node
