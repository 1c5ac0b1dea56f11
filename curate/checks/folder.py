"""Folder: the pictures of a folder as a trainer would take them, each with its caption, its mask and its repeats."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.captions import Caption, Wording
from curate.checks.findings import Finding
from curate.checks.layout import Kind, Role, Subset
from curate.core.store import LEDGER
from curate.scan import legible
from curate.train.data.folders import SUFFIXES


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """The caption of a picture as it stands on disk.

    raw     the text of the file, "" where it cannot be read
    caption as a trainer gets it, None for an empty file and for one that cannot be read
    error   why it cannot be read
    others  further caption files of the same picture that say something else
    """

    file: str
    raw: str
    encoding: str
    caption: Caption | None
    error: str = ""
    others: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As one line, "" without any."""
        return self.caption.text if self.caption else ""


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A picture file.

    name    relative to the checked folder, in POSIX form
    width, height, facts, error  as measured: sides after orientation, what decoding noted, why it cannot be opened
    """

    path: Path
    name: str
    subset: Subset
    caption: CaptionFile | None = None
    mask: Path | None = None
    width: int = 0
    height: int = 0
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    error: str = ""

    @property
    def role(self) -> Role:
        """Whether it is trained, shown for regularization, or never trained."""
        return self.subset.role

    @property
    def is_readable_format(self) -> bool:
        """Whether trainers read files of its ending."""
        return self.path.suffix.lower() in SUFFIXES

    @property
    def text(self) -> str:
        """Its caption as one line, "" without any."""
        return self.caption.text if self.caption else ""

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """Its captions: one, or those of which a showing has one."""
        caption = self.caption.caption if self.caption else None
        return (caption and caption.variants) or (Wording(self.text),)


def each_caption_once(pictures: Iterable[CheckedPicture]) -> list[CheckedPicture]:
    """The pictures without those that share the caption file of one before them."""
    return list({p.caption.file if p.caption else p.name: p for p in reversed([*pictures])}.values())[::-1]


@dataclass(frozen=True, slots=True)
class CheckedMask:
    """A mask file: whose it is, and as measured its sides, the largest of its values, and why it cannot be opened."""

    path: Path
    name: str
    picture: str = ""
    width: int = 0
    height: int = 0
    brightest: int = -1
    error: str = ""


@dataclass(frozen=True)
class CheckedFolder:
    """A folder as a trainer would take it.

    target    what the user gave
    root      the folder that names are relative to
    orphans   caption files without picture, by subset
    deeper    pictures in folders inside a subset's, where no trainer looks
    findings  what is wrong with the layout
    """

    target: Path
    root: Path
    kind: Kind
    subsets: tuple[Subset, ...]
    pictures: tuple[CheckedPicture, ...]
    masks: tuple[CheckedMask, ...] = ()
    orphans: tuple[tuple[Subset, Path], ...] = ()
    deeper: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether curate prepared it, so that its commands may change it."""
        return (self.root / LEDGER / "ledger.sqlite").is_file()

    @property
    def trained(self) -> list[CheckedPicture]:
        """The pictures that a trainer shows: those for regularization too."""
        return [p for p in self.pictures if p.role != "validation" and p.is_readable_format and not p.error]

    @property
    def own(self) -> list[CheckedPicture]:
        """The pictures of the concepts that a trainer shows."""
        return [p for p in self.trained if p.role == "train"]

    @property
    def captioned(self) -> list[CheckedPicture]:
        """The pictures of the concepts with a text, each caption file once: pictures may share one."""
        return each_caption_once(p for p in self.own if p.text)

    def name(self, path: Path) -> str:
        """A file's name relative to the folder, in POSIX form."""
        absolute = path.absolute()
        root = self.root.absolute()
        return legible(absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else absolute.as_posix())
