"""What a cleaning changed of a picture: in numbers, in words, and side by side as a picture."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from curate.core.record import Record
from curate.core.stage import Env, Pixels


def compared(before: Pixels, after: Pixels) -> dict[str, Any]:
    """Noise afterwards, PSNR and SSIM to the picture before, and the change's root mean square, 0..255, at its size."""
    from cleaners.measures.difference import psnr, ssim
    from cleaners.measures.noise import signs
    from cleaners.upscale import resized

    same = resized(after, before.shape[1], before.shape[0])
    level = psnr(before, same)
    change = 0.0 if math.isinf(level) else 255 * 10 ** (-level / 20)
    return {
        "after": dataclasses.asdict(signs(after)),
        "psnr": None if math.isinf(level) else round(level, 2),
        "ssim": round(ssim(before, same), 4),
        "change": round(change, 3),
    }


def gain(fact: Mapping[str, Any]) -> str:
    """The same in words."""
    psnr = "equal" if fact["psnr"] is None else f"{fact['psnr']:.1f} dB"
    return f"now {fact['after']['score']:.2f}; PSNR {psnr}, SSIM {fact['ssim']:.3f}"


def write_report(record: Record, env: Env, before: Pixels, after: Pixels) -> str:
    """Writes before, after and eight times the difference around grey; the path under the ledger folder."""
    from cleaners.upscale import resized

    same = resized(after, before.shape[1], before.shape[0])
    difference = np.clip((same.astype(np.int16) - before) * 8 + 128, 0, 255).astype(np.uint8)
    gap = np.full((before.shape[0], 8, 3), 255, np.uint8)
    name = f"{Path(record.key).stem[:40]}-{hashlib.blake2b(record.key.encode(), digest_size=6).hexdigest()}.png"
    path = Path("denoise-report", name)
    (env.root / path).parent.mkdir(parents=True, exist_ok=True)
    env.pictures.write(np.hstack([before, gap, same, gap, difference]), env.root / path, "png")
    return path.as_posix()
