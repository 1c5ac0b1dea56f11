"""What text encoders made of captions, one small file each, found by caption, encoder and number format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from curate.core import files
from curate.core.digests import text_digest
from curate.core.disk_errors import disk_errors


class TextStore:
    """Tensors of captions by name, in the precision in which they were computed."""

    def __init__(self, folder: Path, encoder: str, dtype: torch.dtype) -> None:
        """`encoder` identifies the text encoder and how it encodes."""
        self.folder = folder / text_digest(encoder, str(dtype))[:12]

    def path(self, caption: str) -> Path:
        """Where a caption's tensors are or will be."""
        return self.folder / f"{text_digest(caption)[:40]}.safetensors"

    def __contains__(self, caption: str) -> bool:
        return self.path(caption).is_file()

    def add(self, caption: str, states: Mapping[str, Tensor]) -> None:
        """Writes a caption's tensors, whole or not at all."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in states.items()}
        with disk_errors(str(self.folder)):
            files.write_bytes(self.path(caption), save(tensors))

    def read(self, caption: str) -> dict[str, Tensor]:
        """A caption's tensors on the CPU."""
        return load_file(self.path(caption))
