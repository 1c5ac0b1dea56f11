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
from curate.diffusion.casting import cast
from curate.diffusion.family import PACKAGE, Family, Prediction
from curate.diffusion.text import tokenizer
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates
from curate.diffusion.text.clip_text import ClipText


@dataclass(slots=True)
class Conditions:
    """What the network is told besides the noisy latents; what a family does not take is None.

    context   [batch, tokens, …, width] of the text encoders; pooled [batch, width]
    sizes     [batch, 6]: original height, width, crop top, left, target height, width
    mask      [batch, tokens]: which tokens of captions of unequal length are real
    ids       [batch, n] token ids that the network itself embeds, and which of them are real
    guidance  [batch]: how much the caption is to count, of families with `embedded_guidance`
    """

    context: Tensor
    pooled: Tensor | None = None
    sizes: Tensor | None = None
    mask: Tensor | None = None
    ids: Tensor | None = None
    ids_mask: Tensor | None = None
    guidance: Tensor | None = None


@dataclass
class LoadOptions:
    """How a base is loaded.

    clip_skip    layer of the text encoder, from the end, in families that have the choice
    max_tokens   75, 150 or 225
    dtype        of the adaptable parts; the VAE stays float32
    tokenizer    folder or hub name of a CLIP tokenizer, for one-file checkpoints
    prediction   what the user says of it, or auto
    vae          another autoencoder than its own: file, folder or hub name
    text_encoder the text encoder of a file that holds the network alone: file, folder or hub name
    family       by the user's word; one at a dotted path is known by it alone
    """

    clip_skip: int = 1
    max_tokens: int = 75
    dtype: torch.dtype = torch.float32
    tokenizer: str = ""
    prediction: str = "auto"
    vae: str = ""
    family: str | None = None
    text_encoder: str = ""


@dataclass
class Parts:
    """What a family reads of a folder or file: adaptable models by name, all of them frozen.

    vae        None where it is named apart
    texts      of families that encode captions as they train; `captions` of those that encode them once
    schedule   of the noise, as diffusers' configurations have it
    """

    models: dict[str, nn.Module]
    vae: nn.Module | None
    texts: list[ClipText]
    resolution: int
    schedule: dict[str, Any] = field(default_factory=dict[str, Any])
    captions: CaptionEncoder | None = None


@dataclass
class Backbone(ABC):
    """A loaded base model: network, VAE, text encoders, all frozen.

    parts       models that adapters attach to, by the name layer names use: `unet` is the network that predicts, in
                every family; te1, te2 are text encoders
    texts       how captions are encoded where that is done while training, `captions` where it is done once before
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
    schedule: dict[str, Any] = field(default_factory=dict[str, Any])
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    captions: CaptionEncoder | None = None

    @abstractmethod
    def layer_names(self) -> list[LayerName]:
        """Every layer that could be adapted, in forward order, text encoders first."""

    def condition(self, tokens: Sequence[Tensor], sizes: Tensor | None) -> Conditions:
        """Encodes token ids, one tensor [batch, chunks, 77] per tokenizer; of families without `stored_text`."""
        raise NotImplementedError

    def collate(self, texts: Sequence[TextStates]) -> Conditions:
        """A batch of what `captions` made, of unequal lengths; of families with `stored_text`."""
        raise NotImplementedError

    @abstractmethod
    def predict(self, latents: Tensor, timesteps: Tensor, conditions: Conditions) -> Tensor:
        """The network's output for noisy latents [batch, channels, h, w] at timesteps [batch].

        With the objective `flow` timesteps are σ in float32, and the output is noise − latents.
        """

    def sampling_shift(self, width: int, height: int, steps: int) -> float:
        """The shift of the times of a picture of so many pixels and steps; of families with the objective `flow`."""
        said = self.schedule.get("shift")
        return float(self.family.sampling.get("flow_shift", 1.0) if said is None else said)

    def guide(self, without: Tensor, towards: Tensor, guidance: float) -> Tensor:
        """Classifier-free guidance: the prediction without the prompt and the one with it."""
        return without + guidance * (towards - without)

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

    @classmethod
    def configurations_of_file(cls, state: Mapping[str, Tensor]) -> Mapping[str, Mapping[str, Any]]:
        """Configurations by part that a file's shapes tell, of a family that comes in several sizes. Raises KeyError.

        The tensors need no values; their names are without wrappers.
        """
        return {}

    @classmethod
    def check_tokenizers(cls, given: str, place: Path) -> None:
        """Raises MissingError where a checkpoint file has no tokenizers on this machine."""
        tokenizer.check(given, place, offline=True)

    @classmethod
    @abstractmethod
    def other_vae(cls, vae: str, own: nn.Module | None, offline: bool) -> nn.Module:
        """The autoencoder that the user names in the place of the base's own. Raises InputError and MissingError."""

    def stored_as_point(self, layer_name: LayerName) -> bool:
        """Whether files hold a linear layer's tensors as those of a 1×1 convolution."""
        return layer_name.path.endswith(self.family.point_layers)

    def tokens(self, caption: str) -> list[Tensor]:
        """Token ids [chunks, 77] of one caption, per text encoder."""
        return [text.tokens(caption) for text in self.texts]

    def caption_length(self, caption: str) -> int:
        """Tokens of a caption, however many there are."""
        return len(self.texts[0].words(caption)) if self.captions is None else self.captions.count(caption)

    def caption_limit(self) -> int:
        """Tokens of a caption that count; the rest is cut."""
        return self.texts[0].max_tokens if self.captions is None else self.captions.limit

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

    @abstractmethod
    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation [batch, channels, h, w] of latents of pictures [batch, 3, H, W] in -1 to 1.

        They are normalized as the network takes them; h and w are the picture's sides by `family.factor`.
        """

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures [batch, 3, H, W], about -1 to 1, of such latents [batch, channels, h, w]."""

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Channels, height and width of the latents of a picture of so many pixels."""
        return self.family.channels, height // self.family.factor, width // self.family.factor

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Moves the adaptable parts; the VAE follows in float32, which it needs not to overflow."""
        for part in self.parts.values():
            cast(part, device, dtype)
        self.vae_to(device)

    def vae_to(self, device: torch.device) -> None:
        """Moves the VAE alone."""
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
