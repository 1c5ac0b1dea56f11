"""Latents of the training pictures, encoded once and kept on disk by picture, autoencoder and bucket."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curate.errors import InputError, PictureError
from curate.train import buckets
from curate.train.backbones import Backbone
from curate.train.dataset import Picture
from curate.train.digests import text_digest, write_atomic

Read = Callable[[Path], NDArray[np.uint8]]
VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture with its bucket, and where its latents are: mean and deviation stacked, [2, 4, h, w] float32."""

    picture: Picture
    fit: buckets.Fit
    file: Path

    def load(self) -> Tensor:
        """The stored mean and deviation."""
        return torch.from_numpy(np.load(self.file, allow_pickle=False))


def place(
    pictures: Sequence[Picture], fits: Sequence[buckets.Fit], vae_digest: str, folder: Path, flip: bool = False
) -> list[Entry]:
    """Says where each picture's latents belong; nothing is encoded."""
    entries: list[Entry] = []
    for picture, how in zip(pictures, fits, strict=True):
        key = text_digest(picture.digest, vae_digest, repr(how), str(flip), str(VERSION))
        entries.append(Entry(picture, how, folder / key[:2] / f"{key}.npy"))
    return entries


def encode_missing(
    entries: Sequence[Entry], backbone: Backbone, read: Read, device: torch.device, batch: int, flip: bool = False
) -> Iterator[tuple[Entry, str]]:
    """Encodes what is not on disk yet, in batches of one bucket; yields each entry with an error or an empty string.

    A picture that cannot be decoded is reported, not raised. Raises InputError where the VAE overflows.
    """
    waiting: dict[buckets.Size, list[tuple[Entry, NDArray[np.uint8]]]] = {}
    for entry in entries:
        if entry.file.exists():
            yield entry, ""
            continue
        try:
            pixels = buckets.apply(read(entry.picture.path), entry.fit)
        except PictureError as error:
            yield entry, str(error)
            continue
        held = waiting.setdefault(entry.fit.bucket, [])
        held.append((entry, pixels[:, ::-1] if flip else pixels))
        if len(held) >= batch:
            yield from _encode(waiting.pop(entry.fit.bucket), backbone, device)
    for held in waiting.values():
        yield from _encode(held, backbone, device)


def _encode(
    held: list[tuple[Entry, NDArray[np.uint8]]], backbone: Backbone, device: torch.device
) -> Iterator[tuple[Entry, str]]:
    # one picture at a time on the CPU: a picture's latents must not depend on what shares its batch
    groups = [held] if device.type != "cpu" else [[item] for item in held]
    for group in groups:
        stacked = torch.from_numpy(np.stack([pixels for _, pixels in group])).to(device)
        pictures = stacked.permute(0, 3, 1, 2).float() / 127.5 - 1
        mean, deviation = backbone.encode(pictures)
        both = torch.stack([mean, deviation], dim=1).float().cpu()
        for (entry, _), latent in zip(group, both, strict=True):
            if not torch.isfinite(latent).all():
                raise InputError(
                    f"the autoencoder gives no finite latents for {entry.picture.path}",
                    "use another VAE, or vae_precision fp32",
                )
            data = io.BytesIO()
            np.save(data, latent.numpy(), allow_pickle=False)
            write_atomic(entry.file, data.getvalue())
            yield entry, ""
