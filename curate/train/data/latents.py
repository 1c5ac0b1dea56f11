"""Latents of the training pictures, encoded once and kept on disk by picture, autoencoder and bucket."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curate.core.digests import text_digest
from curate.diffusion.base import Backbone
from curate.errors import InputError, PictureError
from curate.train.data import buckets
from curate.train.data.dataset import Picture
from curate.train.runtime import memory
from curate.train.storage.latent_store import LatentFile

Read = Callable[[Path], NDArray[np.uint8]]
VERSION = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture with its bucket, and where its latents are: mean and deviation stacked, [2, channels, h, w] float32."""

    picture: Picture
    fit: buckets.Fit
    file: LatentFile
    key: str

    @property
    def known(self) -> bool:
        """Whether they are encoded."""
        return self.key in self.file

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.file.size

    def load(self) -> Tensor:
        """The stored mean and deviation."""
        return torch.from_numpy(self.file.read(self.key).copy())


def place(
    pictures: Sequence[Picture],
    fits: Sequence[buckets.Fit],
    vae_digest: str,
    folder: Path,
    shape: Callable[[int, int], tuple[int, int, int]],
    flip: bool = False,
) -> list[Entry]:
    """Says where each picture's latents belong, by its bytes, the autoencoder and its bucket; nothing is encoded.

    `shape` is the latents' of a picture's width and height.
    """
    files: dict[buckets.Size, LatentFile] = {}
    entries: list[Entry] = []
    for picture, how in zip(pictures, fits, strict=True):
        key = text_digest(picture.digest, repr(how), str(flip))[:40]
        width, height = how.bucket
        if how.bucket not in files:
            name = f"{width}x{height}-{text_digest(vae_digest, str(VERSION))[:12]}"
            files[how.bucket] = LatentFile(folder / name, (2, *shape(width, height)))
        entries.append(Entry(picture, how, files[how.bucket], key))
    return entries


def encode_missing(
    entries: Sequence[Entry], backbone: Backbone, read: Read, device: torch.device, batch: int, flip: bool = False
) -> Iterator[tuple[Entry, str]]:
    """Encodes what is not on disk yet, in batches of one bucket; yields each entry with an error or an empty string.

    Pictures are decoded ahead by threads while the device encodes. One that cannot be decoded is reported, not raised.
    Batches become smaller where the device has no memory for them. Raises InputError where the VAE overflows.
    """
    waiting: dict[buckets.Size, list[tuple[Entry, NDArray[np.uint8]]]] = {}
    portions = memory.Portions(batch)

    def encoded(held: list[tuple[Entry, NDArray[np.uint8]]]) -> Iterator[tuple[Entry, str]]:
        return portions.of(held, lambda part: _encode(part, backbone, device))

    def decoded(entry: Entry) -> NDArray[np.uint8]:
        pixels = buckets.apply(read(entry.picture.path), entry.fit)
        return pixels[:, ::-1] if flip else pixels

    try:
        for entry, found in _ahead(entries, decoded, 2 * batch):
            if found is None:
                yield entry, ""
                continue
            try:
                pixels = found.result()
            except PictureError as error:
                yield entry, str(error)
                continue
            held = waiting.setdefault(entry.fit.bucket, [])
            held.append((entry, pixels))
            if len(held) >= batch:
                yield from encoded(waiting.pop(entry.fit.bucket))
        for held in waiting.values():
            yield from encoded(held)
    finally:
        for file in {id(e.file): e.file for e in entries}.values():
            file.save()


def _ahead(
    entries: Sequence[Entry], decoded: Callable[[Entry], NDArray[np.uint8]], most: int
) -> Iterator[tuple[Entry, Future[NDArray[np.uint8]] | None]]:
    """Entries in order with their pixels to come, `most` of them begun ahead; None where nothing is to be done."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "decode") as threads:
        begun: deque[tuple[Entry, Future[NDArray[np.uint8]] | None]] = deque()
        try:
            for entry in entries:
                begun.append((entry, None if entry.known else threads.submit(decoded, entry)))
                if len(begun) > most:
                    yield begun.popleft()
            while begun:
                yield begun.popleft()
        finally:
            for _, future in begun:
                if future is not None:
                    future.cancel()


def _encode(
    held: Sequence[tuple[Entry, NDArray[np.uint8]]], backbone: Backbone, device: torch.device
) -> Iterator[tuple[Entry, str]]:
    stacked = torch.from_numpy(np.stack([pixels for _, pixels in held])).to(device)
    mean, deviation = backbone.encode(stacked.permute(0, 3, 1, 2).float() / 127.5 - 1)
    both = torch.stack([mean, deviation], dim=1).float().cpu()
    for (entry, _), latent in zip(held, both, strict=True):
        if not torch.isfinite(latent).all():
            raise InputError(
                f"the autoencoder gives no finite latents for {entry.picture.path}",
                "choose another with vae; it computes in float32 already",
            )
        entry.file.add(entry.key, latent.numpy())
        yield entry, ""
