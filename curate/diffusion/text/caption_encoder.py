"""Captions encoded once: what families keep of a caption on disk, and the text encoder that makes it and then goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from curate.diffusion.folder_check import check_vocabulary
from curate.diffusion.library_logging import quiet
from curate.errors import InputError, library_reason

TextStates = Mapping[str, Tensor]
"""What a family keeps of one caption, by name: real tokens along the first axis, no padding."""


class CaptionEncoder(ABC):
    """A family's text encoder and tokenizers; the encoder is loaded when a caption is to be encoded.

    limit    tokens of a caption that count; what is longer is cut
    version  rises when the same caption and weights give other states
    digest   identifies the weights and the tokenizers
    """

    limit: ClassVar[int]
    version: ClassVar[int] = 1

    def __init__(self, load: Callable[[torch.dtype], nn.Module], digest: str) -> None:
        """`load` gives the encoder on the CPU, frozen."""
        self._load, self.digest = load, digest
        self.model: nn.Module | None = None

    @abstractmethod
    def count(self, caption: str) -> int:
        """Tokens of a caption, however many there are."""

    @abstractmethod
    def states(self, model: nn.Module, caption: str, device: torch.device) -> TextStates:
        """What is kept of one caption."""

    def open(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """The encoder on a device, loaded where it is not yet."""
        if self.model is None:
            self.model = self._load(dtype)
        return self.model.to(device)

    def free(self) -> None:
        """Forgets the encoder, so that its memory serves the network."""
        self.model = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @torch.no_grad()
    def encode(self, captions: Sequence[str], device: torch.device, dtype: torch.dtype) -> list[TextStates]:
        """What is kept of captions, each encoded alone: no padding, and no caption depends on another."""
        model = self.open(device, dtype)
        return [self.states(model, caption, device) for caption in captions]


def read_tokenizer(kind: str, place: Path) -> Any:
    """A tokenizer of transformers, by the name of its class. Raises InputError for a folder without one."""
    import transformers

    check_vocabulary(place)
    theirs: Any = transformers
    try:
        with quiet("transformers"):
            return getattr(theirs, kind).from_pretrained(place, local_files_only=True)
    except (OSError, ValueError) as error:
        said = library_reason(error)
        raise InputError(
            f"{place} is not a {kind}: {said}", "give the tokenizer's folder as the model has it"
        ) from error


def padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows [n, …] of unequal length as one tensor [batch, longest, …], zeros at the end, and which places are real."""
    longest = max(1, *(len(row) for row in rows))
    whole = rows[0].new_zeros(len(rows), longest, *rows[0].shape[1:])
    mask = torch.zeros(len(rows), longest, dtype=torch.bool, device=rows[0].device)
    for n, row in enumerate(rows):
        whole[n, : len(row)] = row
        mask[n, : len(row)] = True
    return whole, mask
