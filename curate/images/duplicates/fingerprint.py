"""Fingerprint: what is kept of a picture to find its duplicates, and to choose the copy that stays."""

from __future__ import annotations

from typing import Any

import numpy as np

from cleaners.measures.noise import signs
from curate.core.stage import Pixels
from curate.images.analysis import metrics
from curate.images.duplicates import likeness, perceptual_hash


def fingerprint(pixels: Pixels, *, near: bool = True) -> dict[str, Any]:
    """Hashes of a picture and what tells a good copy from a bad one, as JSON-able values.

    Without `near` there are no perceptual hashes, which take half the time and most of the bytes.
    """
    hashes: dict[str, Any] = {}
    if near:
        whole, parts = perceptual_hash.hashes(likeness.small(pixels))
        hashes = {"whole": f"{whole:016x}", "parts": "".join(f"{p:016x}" for p in parts)}
    return {
        "pixels": perceptual_hash.pixel_digest(pixels),
        **hashes,
        "noise": signs(pixels).score,
        "blocks": metrics.blockiness(pixels),
        "sharpness": metrics.sharpness(pixels),
        "area": pixels.shape[0] * pixels.shape[1],
        "reduced": _is_reduced(pixels),
    }


def _is_reduced(pixels: Pixels) -> bool:
    """Whether the picture has no more than the 256 colors of a palette or of greys, by a sample of up to 128×128."""
    height, width = pixels.shape[:2]
    some = pixels[:: max(1, height // 128), :: max(1, width // 128)].reshape(-1, 3).astype(np.uint32)
    return len(np.unique(some @ np.array([65536, 256, 1], np.uint32))) <= 256
