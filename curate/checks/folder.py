"""Folder: the pictures of a folder as a trainer would take them, each with its caption, its mask and its repeats."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from curate.captions import UTF8, Wording
from curate.checks.findings import Finding
from curate.checks.layout import Kind
from curate.checks.subsets import Role, Subset
from curate.core.store import LEDGER
from curate.scan import legible
from curate.train.data.folders import SUFFIXES

_NO_FACTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """The caption of a picture as it stands on disk. There may be a million: nothing is kept twice.

    raw       what is in the file, without blanks around it; "" where it cannot be read
    text      the caption as a trainer gets it, as one line; "" without any
    encoding  the codec that the file was read with
    error     why it cannot be read
    variants  all captions of the picture, where there are several or they are asked for
    others    further caption files of the same picture that say something else
    """

    file: str
    raw: str = ""
    text: str = ""
    encoding: str = ""
    error: str = ""
    variants: tuple[Wording, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A picture file. There may be a million: what follows from its file and its folder is made when it is asked for.

    file    its name in the subset's folder
    before  what stands before names of that folder, relative to the checked folder
    beside  its caption, see `as_held`
    width, height, facts, error  as measured: sides after orientation, what decoding noted, why it cannot be opened
    """

    file: str
    before: str
    subset: Subset
    beside: CaptionFile | str | None = None
    mask: Path | None = None
    width: int = 0
    height: int = 0
    facts: Mapping[str, Any] = dataclasses.field(default_factory=lambda: _NO_FACTS)
    error: str = ""

    @property
    def name(self) -> str:
        """Its name relative to the checked folder, in POSIX form."""
        return self.before + legible(self.file)

    @property
    def caption(self) -> CaptionFile | None:
        """Its caption file."""
        if not isinstance(self.beside, str):
            return self.beside
        return _plain(self.file, self.before, self.subset, self.beside)

    @property
    def unusual(self) -> CaptionFile | None:
        """Its caption file, if it is not as most are."""
        return self.beside if isinstance(self.beside, CaptionFile) else None

    @property
    def path(self) -> Path:
        """The file. Paths are made when they are asked for: each takes 0.4 kB."""
        return self.subset.place / self.file

    @property
    def role(self) -> Role:
        """Whether it is trained, shown for regularization, or never trained."""
        return self.subset.role

    @property
    def is_readable_format(self) -> bool:
        """Whether trainers read files of its ending."""
        return os.path.splitext(self.file)[1].lower() in SUFFIXES  # noqa: PTH122

    @property
    def text(self) -> str:
        """Its caption as one line, "" without any."""
        return self.beside.text if isinstance(self.beside, CaptionFile) else self.beside or ""

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """Its captions: one, or those of which a showing has one."""
        several = self.beside.variants if isinstance(self.beside, CaptionFile) else ()
        return several or (Wording(self.text),)


def as_held(file: str, before: str, subset: Subset, caption: CaptionFile | None) -> CaptionFile | str | None:
    """The caption of a picture `file` as it is held: of most that is the text alone, a third of the memory."""
    is_plain = caption is not None and caption == _plain(file, before, subset, caption.text)
    return caption.text if caption and is_plain else caption


def _plain(file: str, before: str, subset: Subset, text: str) -> CaptionFile:
    """A caption as most are: named like its picture, in UTF-8, with its text on one line."""
    stem = os.path.splitext(file)[0]  # noqa: PTH122 – of many thousands of names
    return CaptionFile(before + legible(stem + subset.extension), text, text, UTF8)


def each_caption_once(pictures: Iterable[CheckedPicture]) -> list[CheckedPicture]:
    """The pictures without those that share the caption file of one before them."""
    seen: set[int] = set()  # hashes: the names of a million would take more than the pictures
    result: list[CheckedPicture] = []
    for one in pictures:
        file = hash(one.caption.file if one.caption else one.name)
        if file not in seen:
            seen.add(file)
            result.append(one)
    return result


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
