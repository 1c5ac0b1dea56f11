"""What the trainer needs of a base model, whatever its family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from curate.adapters.base import Layer
from curate.diffusion.clip_text import ClipText
from curate.diffusion.layer_names import Site

Prediction = Literal["epsilon", "v"]


@dataclass(slots=True)
class Conditions:
    """What the UNet is told besides the noisy latents.

    context  [batch, tokens, width] of the text encoders; pooled [batch, width] or None
    sizes    [batch, 6] of SDXL: original height, width, crop top, left, target height, width; or None
    """

    context: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None


@dataclass
class Backbone(ABC):
    """A loaded base model: UNet, VAE, text encoders, all frozen.

    parts       models that adapters attach to, by the name sites use: unet, te1, te2
    digest      identifies all weights; `vae_digest` the autoencoder's alone
    hashes      of a checkpoint and of an autoencoder in one file, as kohya names and computes them
    """

    family: ClassVar[str]
    version: ClassVar[str]
    """Value of `ss_base_model_version`."""
    architecture: ClassVar[str]
    """Value of `modelspec.architecture`, without "/lora"."""

    implementation: ClassVar[str] = "diffusers"
    """Value of `modelspec.implementation`: whose names for layers its files use."""

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
    def sites(self) -> list[Site]:
        """Every layer that could be adapted, in forward order, text encoders first."""

    @abstractmethod
    def condition(self, tokens: Sequence[Tensor], sizes: Tensor | None) -> Conditions:
        """Encodes token ids, one tensor [batch, chunks, 77] per tokenizer."""

    @abstractmethod
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """The UNet's output for noisy latents [batch, 4, h, w] at timesteps [batch]."""

    def labels(self, prediction: Prediction) -> tuple[str, str]:
        """`ss_base_model_version` and `modelspec.architecture` (without "/lora") of what is trained for a prediction."""
        return self.version, self.architecture

    def stored_as_point(self, site: Site) -> bool:
        """Whether files hold a linear layer's tensors as those of a 1×1 convolution."""
        return False

    def tokens(self, caption: str) -> list[Tensor]:
        """Token ids [chunks, 77] of one caption, per text encoder."""
        return [text.tokens(caption) for text in self.texts]

    def layer(self, site: Site) -> Layer | None:
        """The layer at a site, or None where this model has none there."""
        found = self.at(site)
        return found if isinstance(found, nn.Linear | nn.Conv2d) else None

    def at(self, site: Site) -> nn.Module | None:
        """Whatever module is at a site."""
        return module_at(self.parts[site.part], site.path) if site.part in self.parts else None

    def place(self, site: Site, module: nn.Module) -> None:
        """Puts a module at a site."""
        path, _, name = site.path.rpartition(".")
        parent = module_at(self.parts[site.part], path)
        assert parent is not None
        setattr(parent, name, module)

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [batch, 4, h, w] of the scaled latents of pictures [batch, 3, H, W] in -1 to 1."""
        moments = self.vae.encode(pictures).latent_dist  # pyright: ignore[reportCallIssue]
        return moments.mean * self.scaling, moments.std * self.scaling

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
