"""Device: which one trains, where a launcher started several processes too."""

from __future__ import annotations

import torch

from curate.diffusion import device
from curate.train.runtime import distributed


def resolve_device(name: str, require_gpu: bool = False) -> torch.device:
    """auto is the first GPU where there is one, or the process's own. Raises MissingError for one that is not there."""
    if name in ("auto", "cuda") and distributed.size() > 1 and (count := device.gpus()):
        return torch.device("cuda", distributed.local_rank() % count)
    return device.resolve_device(name, require_gpu)
