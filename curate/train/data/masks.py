"""What of a picture counts: grey masks, fitted as their pictures are and brought to the latents' size."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curate.errors import InputError, PictureError
from curate.images import masks
from curate.train.data import buckets
from curate.train.data.dataset import Picture


def blank(pictures: Iterable[Picture]) -> list[Path]:
    """Masks that are black all over: their pictures teach nothing. Raises InputError for one that cannot be read."""
    return [p.mask for p in pictures if p.mask is not None and not _grey(p.mask).any()]


def _grey(mask: Path) -> Any:
    try:
        return masks.read(mask)
    except PictureError as error:
        raise InputError(
            f"the mask {mask} cannot be read: {error.__cause__}", "save it as PNG, or take it away"
        ) from error


def weights(picture: Picture, fit: buckets.Fit, flipped: bool, factor: int = 8) -> Tensor:
    """What each place of the latents counts, 0 to 1, [1, h, w]; all 1 without a mask.

    The mask goes the picture's own way: to its size where it has another, scaled, cropped, mirrored; then the mean of
    each block of `factor`×`factor` is taken. Raises InputError for a mask that cannot be read.
    """
    width, height = fit.bucket
    if picture.mask is None:
        return torch.ones(1, height // factor, width // factor)
    import cv2

    grey = _grey(picture.mask)
    if grey.shape != (picture.height, picture.width):
        grey = cv2.resize(grey, (picture.width, picture.height), interpolation=cv2.INTER_AREA)
    fitted = buckets.apply(grey, fit)
    whole = np.ascontiguousarray(fitted[:, ::-1] if flipped else fitted)
    size = width // factor, height // factor
    small = cv2.resize(whole.astype(np.float32) / 255, size, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(np.clip(small, 0, 1))[None]
