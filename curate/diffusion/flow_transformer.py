"""What families of flow-matching transformers share: folders of diffusers, files of the network alone, layer tables."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from typing_extensions import override

from curate.adapters.layer_name import Kind, LayerName, Rows
from curate.diffusion.base import Backbone, LoadOptions, Parts
from curate.diffusion.detect import plain_key, read_json
from curate.diffusion.folder_check import check_folder
from curate.diffusion.library_logging import quiet
from curate.diffusion.locate import files_digest, snapshot, text_encoder_files
from curate.diffusion.stable_diffusion import whole
from curate.diffusion.text.caption_encoder import CaptionEncoder
from curate.errors import InputError, MissingError

Blocks = Mapping[str, tuple[str, Kind]]
"""Layers of a block: path in diffusers' model -> path in the original model, and kind."""
Joint = Mapping[str, tuple[str, Rows]]
"""Layers of a block that the original model holds in one matrix: path in diffusers' -> path there, and which rows."""


class Autoencoder(Protocol):
    """What a module offers that holds an autoencoder: `flux_vae`, `qwen_vae`."""

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


class FlowTransformer(Backbone):
    """Base of the families; captions are encoded once, and the network is a transformer of diffusers."""

    autoencoder: ClassVar[Autoencoder]
    """The module with the family's autoencoder."""
    text_folders: ClassVar[tuple[str, ...]] = ("text_encoder",)
    """Folders with weights that captions go through before they are kept."""
    tokenizer_folders: ClassVar[tuple[str, ...]] = ("tokenizer",)
    tokenizers_from: ClassVar[str] = ""
    """Hub name whose tokenizers files of the network alone take where none are named."""
    scheduler: ClassVar[Mapping[str, Any]] = {}
    """What the published scheduler's configuration says of the shift, for files of the network alone."""

    @classmethod
    @abstractmethod
    def models_of_folder(cls, place: Path, dtype: torch.dtype) -> dict[str, nn.Module]:
        """The adaptable models of a folder, `unet` among them. Raises what diffusers raises."""

    @classmethod
    @abstractmethod
    def models_of_file(cls, state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, nn.Module]:
        """The same of tensors of a file, without the wrappers of their names. Raises KeyError for one not whole."""

    @classmethod
    @abstractmethod
    def caption_encoder(cls, encoder: Path, tokenizers: Path, digest: str) -> CaptionEncoder:
        """How captions are encoded: by an encoder's folder or file, with tokenizers in a folder's subfolders."""

    @classmethod
    @abstractmethod
    def write_tiny(cls, place: Path) -> None:
        """Writes a small model with random weights as a folder of diffusers: what tests of the family run on."""

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
        with quiet(), whole(place):
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
        """The folder that holds the tokenizers' folders: as named, beside the file, or the hub's.

        Raises MissingError where it is not on this machine.
        """
        wanted = " and ".join(f"{folder}/" for folder in cls.tokenizer_folders)
        remedy = f"give a folder with {wanted}, or a hub name, as tokenizer"
        named = [Path(given).expanduser()] if given else [place.parent]
        for folder in named:
            if all((folder / inside).is_dir() for inside in cls.tokenizer_folders):
                return folder
        if given and named[0].exists():
            raise InputError(f"tokenizer {given} does not hold {wanted}", remedy)
        try:
            patterns = [f"{folder}/*" for folder in cls.tokenizer_folders]
            found = snapshot(given or cls.tokenizers_from, offline, patterns, "tokenizer")
        except MissingError as error:
            raise MissingError(f"no tokenizer for {place.name}: {error.message}", remedy) from error
        if not all((found / inside).is_dir() for inside in cls.tokenizer_folders):
            raise MissingError(f"no tokenizer for {place.name}: {given or cls.tokenizers_from} lacks {wanted}", remedy)
        return found

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


def thirds(joint: str, *paths: str) -> dict[str, tuple[str, Rows]]:
    """Three layers that stand one below the other in one matrix."""
    return {path: (joint, (n, n + 1, 3)) for n, path in enumerate(paths)}


def layer_table(
    model: str,
    path: str,
    original: str,
    layers: Blocks,
    part: str = "unet",
    block: int = -1,
    joint: Joint | None = None,
) -> Iterator[LayerName]:
    """The layers of a block or of what is outside blocks; `path` and `original` stand before those in `layers`.

    `model` is diffusers' name of the part.
    """
    for inner, (theirs, kind) in layers.items():
        native, (whole, rows) = f"{original}{theirs}", (joint or {}).get(inner, ("", None))
        whole = f"{original}{whole}" if whole else ""
        # what the original model holds in one matrix has no name of its own there
        key = f"lora_unet_{(f'{path}{inner}' if native == whole else native).replace('.', '_')}"
        yield LayerName(key, part, f"{path}{inner}", kind, block, native, model, whole, rows)
