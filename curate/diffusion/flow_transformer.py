"""What families of flow-matching transformers share: folders of diffusers, files of the network alone, captions.

What a family declares and what it may override is described in `curate.diffusion.family`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.diffusion.base import Conditions, LoadOptions, Parts
from curate.diffusion.detect import plain_key, read_json
from curate.diffusion.dynamic_shift import dynamic_shift, line_of
from curate.diffusion.flow_network import FlowNetwork
from curate.diffusion.folder_check import check_folder
from curate.diffusion.locate import files_digest, text_encoder_files
from curate.diffusion.skeleton import Skeleton
from curate.diffusion.stable_diffusion import whole
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates, padded
from curate.diffusion.text.tokenizer_folders import tokenizer_folders
from curate.errors import InputError


class Autoencoder(Protocol):
    """What a module of `autoencoders` offers."""

    def of_folder(self, place: Path) -> nn.Module:
        """That of a folder with config.json, float32."""
        ...

    def load(self, vae: str, offline: bool) -> nn.Module:
        """The one that a user names, frozen. Raises InputError and MissingError."""
        ...

    def encode(self, vae: Any, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation [batch, channels, h, w], normalized, of pictures [batch, 3, H, W] in -1 to 1."""
        ...

    def decode(self, vae: Any, latents: Tensor) -> Tensor:
        """Pictures [batch, 3, H, W] of normalized latents."""
        ...

    def outline(self) -> Skeleton:
        """Its numbers without values."""
        ...


class FlowTransformer(FlowNetwork):
    """Base of the families; captions are encoded once, and the network is a transformer of diffusers."""

    autoencoder: ClassVar[Autoencoder]
    """The module with the family's autoencoder."""
    caption_encoder: ClassVar[Callable[[Path, Path, str], CaptionEncoder]]
    """From an encoder's folder or file, a folder with the tokenizers' folders, and a digest."""
    text_folders: ClassVar[tuple[str, ...]] = ("text_encoder",)
    """Folders with weights that captions go through before they are kept."""
    tokenizer_folders: ClassVar[tuple[str, ...]] = ("tokenizer",)
    tokenizers_from: ClassVar[str] = ""
    """Hub name whose tokenizers files of the network alone take where none are named."""
    scheduler: ClassVar[Mapping[str, Any]] = {}
    """What the published scheduler's configuration says of the shift, for files of the network alone."""

    @classmethod
    @abstractmethod
    def write_tiny(cls, place: Path) -> None:
        """Writes a small model with random weights as a folder of diffusers: what tests of the family run on."""

    @override
    @classmethod
    def outline(cls, configuration: Callable[[str], Mapping[str, Any]]) -> tuple[dict[str, nn.Module], nn.Module]:
        network = cls.transformer.outline({**cls.network, **configuration("transformer")})
        return {"unet": network}, cls.autoencoder.outline()

    @override
    def collate(self, texts: Sequence[TextStates]) -> Conditions:
        context, mask = padded([one["states"] for one in texts])
        return Conditions(context, mask=mask)

    @override
    def sampling_shift(self, width: int, height: int, steps: int) -> float:
        by_size = all(one.get("use_dynamic_shifting") for one in (self.scheduler, self.schedule))
        return self.shift_by_size(width, height) if by_size else super().sampling_shift(width, height, steps)

    def shift_by_size(self, width: int, height: int) -> float:
        """The shift on the line that the scheduler's configuration says, or else the family."""
        assert self.family.shift_line is not None
        return dynamic_shift(line_of(self.schedule, self.family.shift_line), width, height)

    @override
    @classmethod
    def other_vae(cls, vae: str, own: nn.Module | None, offline: bool) -> nn.Module:
        return cls.autoencoder.load(vae, offline)

    @override
    @torch.no_grad()
    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return self.autoencoder.encode(self.vae, pictures)

    @override
    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(self.vae, latents)

    @override
    @classmethod
    def from_folder(cls, place: Path, base: str, options: LoadOptions) -> Parts:
        check_folder(place, cls.family, own_vae=not options.vae)
        with cls.silence(), whole(place):
            models = cls.models_of_folder(place, options.dtype)
            vae = None if options.vae else _frozen(cls.autoencoder.of_folder(place / "vae"))
            files = [p for f in (*cls.text_folders, *cls.tokenizer_folders) for p in (place / f).glob("*")]
            encoder = cls.caption_encoder(place / cls.text_folders[0], place, files_digest(files))
        return Parts(
            {name: _frozen(model) for name, model in models.items()},
            vae,
            [],
            cls.family.resolution,
            read_json(place / "scheduler" / "scheduler_config.json"),
            encoder,
        )

    @override
    @classmethod
    def from_file(cls, state: Mapping[str, Tensor], place: Path, options: LoadOptions, offline: bool) -> Parts:
        check_given(cls.family.title, place.name, options.vae, options.text_encoder)
        files = text_encoder_files(options.text_encoder, offline)
        tokenizers = cls.tokenizers(options.tokenizer, place, offline)
        inside = [p for f in cls.tokenizer_folders for p in (tokenizers / f).glob("*")]
        encoder = files[0].parent if files[0].name == "config.json" else files[0]
        captions = cls.caption_encoder(encoder, tokenizers, files_digest([*files, *inside]))
        try:
            models = cls.models_of_file({plain_key(key): tensor for key, tensor in state.items()}, options.dtype)
        except (KeyError, ValueError, IndexError, StopIteration) as error:
            raise InputError(
                f"{place.name} is not a complete network of {cls.family.title}: it lacks {error}", "fetch it again"
            ) from error
        named = {name: _frozen(model) for name, model in models.items()}
        return Parts(named, None, [], cls.family.resolution, dict(cls.scheduler), captions)

    @classmethod
    def tokenizers(cls, given: str, place: Path, offline: bool) -> Path:
        """The folder that holds the tokenizers' folders. Raises InputError and MissingError."""
        return tokenizer_folders(given, place, cls.tokenizer_folders, cls.tokenizers_from, offline)

    @override
    @classmethod
    def check_tokenizers(cls, given: str, place: Path) -> None:
        cls.tokenizers(given, place, offline=True)


def check_given(title: str, file: str, vae: str, text_encoder: str) -> None:
    """Raises InputError that says what a file of the network alone needs beside it."""
    missing = [
        f"--{name.replace('_', '-')}" for name, value in (("vae", vae), ("text_encoder", text_encoder)) if not value
    ]
    if missing:
        raise InputError(
            f"{file} holds {title}'s network alone, without autoencoder and text encoder",
            f"give {' and '.join(missing)}: a file, a folder or a hub name; or train on a folder in diffusers' layout",
        )


def _frozen(model: nn.Module) -> nn.Module:
    return model.requires_grad_(False).eval()
