"""The adversarial-noise cleaner as its papers write its filters: in double precision, one pixel after the other."""

import numpy as np


def plain_bilateral(picture: np.ndarray, sigma: float) -> np.ndarray:
    """One pass over the thirteen pixels within two of the middle, in double precision, borders mirrored, no edge."""
    padded = np.pad(picture, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    height, width = picture.shape[:2]
    total, weights = np.zeros_like(picture), np.zeros(picture.shape[:2])
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            if dy * dy + dx * dx > 4:
                continue
            there = padded[2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width]
            distance = np.abs(there - picture).sum(axis=2)
            weight = np.exp(-(distance**2 + dy * dy + dx * dx) / (2 * sigma * sigma))
            total, weights = total + weight[..., None] * there, weights + weight
    return total / weights[..., None]


def plain_guided(guide: np.ndarray, source: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """The guided filter as its paper writes it, in double precision, one 3×3 system per pixel."""

    def box(plane: np.ndarray) -> np.ndarray:
        padded = np.pad(plane, radius, mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1))
        return windows.mean(axis=(2, 3))

    mean = np.stack([box(guide[..., i]) for i in range(3)], -1)
    sigma = np.empty((*guide.shape[:2], 3, 3))
    for i in range(3):
        for j in range(3):
            sigma[..., i, j] = box(guide[..., i] * guide[..., j]) - mean[..., i] * mean[..., j] + eps * (i == j)
    out = np.empty_like(source)
    for c in range(3):
        level = box(source[..., c])
        cov = np.stack([box(guide[..., i] * source[..., c]) - mean[..., i] * level for i in range(3)], -1)
        slope = np.linalg.solve(sigma, cov[..., None])[..., 0]
        offset = level - (slope * mean).sum(-1)
        out[..., c] = sum(box(slope[..., i]) * guide[..., i] for i in range(3)) + box(offset)
    return out


def plain(picture: np.ndarray) -> np.ndarray:
    original = picture.astype(np.float64)
    smooth = original
    for _ in range(64):
        smooth = plain_bilateral(smooth, 8.0)
    for _ in range(4):
        smooth = plain_guided(original, smooth, 4, 16.0)
    return np.clip(smooth, 0, 255)
