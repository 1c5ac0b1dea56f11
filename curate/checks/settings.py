"""Settings: what checks depend on besides the folder: training options, the base, tokenizer and vocabulary at hand."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.checks.folder import CheckedFolder
from curate.checks.vocabulary import Vocabulary
from curate.train.data.run_plan import Fitting
from curate.train.options import TrainOptions


@dataclass(frozen=True)
class Settings:
    """What checks depend on.

    native      resolution of the base in pixels
    tokenizer   of the base, None where there is none on this machine: `no_tokenizer` says why and what to do
    vocabulary  the tags that the base knows, None where no list is on this machine or none is wanted
    least       what sides of pictures are multiples of on this base
    measured    whether the pictures were opened
    duplicates  name of a picture -> name of the one that it is a duplicate of, and whether they are equal to the pixel
    caption_tokens  tokens of a caption that count on this base, where max_tokens has no say
    weights     by which curate balanced the folders of a prepared folder, by their words
    """

    options: TrainOptions
    native: int
    tokenizer: Any = None
    no_tokenizer: tuple[str, str] = ("", "")
    vocabulary: Vocabulary | None = None
    no_vocabulary: tuple[str, str] = ("", "")
    measured: bool = True
    duplicates: Mapping[str, tuple[str, bool]] = field(default_factory=dict[str, tuple[str, bool]])
    caption_tokens: int = 0
    least: int = 8
    weights: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def fitting(self) -> Fitting:
        """The buckets of these options on this base."""
        return Fitting(self.options, self.native, self.least)


def command(folder: CheckedFolder, name: str, *options: str) -> str:
    """A curate command on the folder, quoted for a message; a folder of another's is copied, never changed."""
    place = folder.root
    words = ["curate", *name.split(), shlex.quote(str(place)), *options]
    if not folder.is_ours and not name.startswith("tags"):
        words += ["-o", "NEW"]
    if not folder.is_ours and name.startswith("tags"):
        words.append("--in-place")
    return f"`{' '.join(words)}`"


def relative(path: Path, folder: CheckedFolder) -> str:
    """A path as the folder names it."""
    return folder.name(path)
