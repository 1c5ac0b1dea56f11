"""Reading a folder as a trainer would take it: names and captions, without opening a picture."""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from curate import captions, images, names
from curate.captions import Beside, Caption, Decoded
from curate.checks.findings import Finding, Place
from curate.checks.folder import CaptionFile, CheckedFolder, CheckedMask, CheckedPicture, as_held
from curate.checks.layout import read_layout
from curate.checks.subsets import Subset
from curate.core.caption_options import CaptionReading
from curate.core.counting import counted
from curate.errors import InputError
from curate.images import masks as mask_files
from curate.scan import legible


class Sizes(Protocol):
    """Width and height of pictures by their name in the checked folder; a mapping is one."""

    def get(self, name: str, default: tuple[int, int], /) -> tuple[int, int]:
        """The sides of a picture."""
        ...


NOTES = ("readme", "license", "licence", "prompt", "prompts", "sample_prompts", "notes", "credits", "sources")
"""Stems of text files that lie among pictures and are no captions."""


def read_folder(
    target: Path,
    reading: CaptionReading,
    validation: Path | None = None,
    reg: Path | None = None,
    sizes: Sizes | None = None,
) -> CheckedFolder:
    """Reads a folder's names and captions; no picture is opened. Raises InputError where there is no picture.

    `validation` and `reg` are folders elsewhere that hold such pictures. With `sizes`, by name, a picture without one
    counts as one that cannot be opened.
    """
    layout = read_layout(target)
    subsets = [*layout.subsets]
    for role, place in (("validation", validation), ("reg", reg)):
        if place is not None:
            others = read_layout(place).subsets
            subsets += [dataclasses.replace(one, name=f"{place}/{one.name}", role=role) for one in others]
    root = target.parent if target.is_file() else target
    whole = CheckedFolder(target, root, layout.kind, tuple(subsets), ())
    pictures: list[CheckedPicture] = []
    orphans: list[tuple[Subset, Path]] = []
    deeper: list[str] = []
    for subset in subsets:
        found, alone = _of_subset(whole, subset, reading, sizes)
        pictures += found
        orphans += [(subset, path) for path in alone]
        deeper += [whole.name(p) for p in _deeper(subset, subsets)]
    if not pictures:
        if layout.findings and (first := layout.findings[0]).places:
            named = ", ".join(place.detail or place.file for place in first.places[:3])
            raise InputError(f"no pictures in {target}: {first.message} ({named})", first.remedy)
        raise InputError(f"no pictures in {target}", "give a folder of pictures, or of folders such as 10_zwx dog")
    layout.findings += _empty(subsets, pictures, deeper)
    return dataclasses.replace(
        whole,
        pictures=tuple(pictures),
        masks=tuple(_masks(whole, layout.root, pictures)),
        orphans=tuple(orphans),
        deeper=tuple(deeper),
        findings=tuple(layout.findings),
        notes=tuple(layout.notes),
    )


def _empty(subsets: Sequence[Subset], pictures: Sequence[CheckedPicture], deeper: Sequence[str]) -> Iterator[Finding]:
    """Folders of concepts in which no picture lies, not even one too deep."""
    filled = {p.subset.name for p in pictures}
    empty = [s.name for s in subsets if s.role == "train" and s.name not in filled]
    empty = [name for name in empty if not any(file.startswith(f"{name}/") for file in deeper)]
    if empty:
        which, its = counted(len(empty), "folder has", "folders have"), "its" if len(empty) == 1 else "their"
        yield Finding(
            "folder-empty",
            f"{which} no pictures: {its} trigger words are not trained",
            "put the pictures there, or delete the folder",
            tuple(Place(name) for name in empty),
        )


def _of_subset(
    whole: CheckedFolder, subset: Subset, reading: CaptionReading, sizes: Sizes | None
) -> tuple[list[CheckedPicture], list[Path]]:
    """The pictures of a subset, and the caption files that belong to none."""
    place = subset.place
    with os.scandir(place) as entries:
        files = [entry.name for entry in entries if not entry.name.startswith(".") and _is_file(entry)]
    beside = captions.sort_files(place.name, files, lambda n: images.may_be_picture(place / n), subset.extension)
    before = "" if (name := whole.name(place)) == "." else f"{name}/"
    alone = [place / n for n in _alone(files, beside, subset)]
    del files
    result = captions.read_in_order(
        place.name,
        lambda: ([place / text for text in beside.captions.get(n, ())] for n in beside.pictures),
        dataclasses.replace(reading, extension=subset.extension),
        names.words(subset.words),
    )
    others = _other_captions(place, beside, "" if reading.encoding == "auto" else reading.encoding)
    pictures: list[CheckedPicture] = []
    for file, one in zip(beside.pictures, result.each, strict=True):
        caption = as_held(file, before, subset, _caption_file(before, beside.captions.get(file, ()), one, others))
        mask = _mask_of(subset, file, beside.masks)
        if sizes is None:
            pictures.append(CheckedPicture(file, before, subset, caption, mask))
        else:
            width, height = sizes.get(before + legible(file), (0, 0))
            error = "" if width else "its size is unknown"
            pictures.append(CheckedPicture(file, before, subset, caption, mask, width, height, error=error))
    return pictures, alone


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link to one that is gone: trainers list that, and stop where they open it."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry))  # noqa: PTH110
    except OSError:  # a link to itself
        return entry.is_symlink()


def _alone(files: Sequence[str], beside: Beside, subset: Subset) -> Iterator[str]:
    """The caption files without a picture."""
    endings = (subset.extension, *captions.EXTENSIONS)
    texts = [n for n in files if n.casefold().endswith(endings) and not n.endswith(".toml")]
    taken = {text for several in beside.captions.values() for text in several}
    stems = {Path(n).stem.casefold() for n in beside.pictures} if len(taken) < len(texts) else set[str]()
    for name in sorted(n for n in texts if n not in taken):
        if Path(name).stem.casefold() not in (*NOTES, *stems):
            yield name


def _other_captions(place: Path, beside: Beside, encoding: str) -> Mapping[str, Decoded | InputError]:
    """The texts of pictures that have several caption files, by file."""
    several = (texts for texts in beside.captions.values() if len(texts) > 1)
    texts = captions.read_together((place / text for texts in several for text in texts), encoding)
    return {path.name: text for path, text in texts.items()}


def _caption_file(
    before: str, files: Sequence[str], one: Caption | InputError | None, others: Mapping[str, Decoded | InputError]
) -> CaptionFile | None:
    """The caption of a picture; `before` stands before the names of its `files`."""
    if not files:
        return None
    if not isinstance(one, Caption):
        name = before + legible(files[0])
        return CaptionFile(name, error=one.message if one else "", others=_unlike(before, files, files[0], others))
    file = one.file.name
    unlike = _unlike(before, files, file, others)
    encoding = sys.intern(one.encoding)
    return CaptionFile(before + legible(file), one.raw, one.text, encoding, variants=one.variants, others=unlike)


def _unlike(before: str, files: Sequence[str], file: str, texts: Mapping[str, Decoded | InputError]) -> tuple[str, ...]:
    """Those of a picture's caption `files` that say something else than `file`."""
    return tuple(before + legible(f) for f in files if f != file and _differs(texts[f], texts[file]))


def _differs(one: Decoded | InputError, other: Decoded | InputError) -> bool:
    if not isinstance(one, Decoded) or not isinstance(other, Decoded):
        return True
    return bool(one.text.strip()) and one.text.split() != other.text.split()


def _mask_of(subset: Subset, picture: str, beside: Mapping[str, str]) -> Path | None:
    stem, suffix = os.path.splitext(picture)  # noqa: PTH122 – of many thousands of names
    for ending in (".png", suffix, ".jpg", ".webp") if subset.masks else ():
        path = subset.masks / f"{stem}{ending}"  # type: ignore[operator]
        if path.is_file():
            return path
    return subset.place / beside[picture] if picture in beside else None


def _masks(whole: CheckedFolder, root: Path, pictures: Sequence[CheckedPicture]) -> Iterator[CheckedMask]:
    """Every mask file: those of pictures, and those that belong to none."""
    owners = {p.mask: p.name for p in pictures if p.mask}
    for path, name in owners.items():
        yield CheckedMask(path, whole.name(path), name)
    places = dict.fromkeys([s.masks for s in whole.subsets if s.masks])
    drawn = root / mask_files.FOLDER
    if drawn.is_dir():
        places |= dict.fromkeys(sorted(p for p in drawn.iterdir() if p.is_dir()))
        places[drawn] = None
    for place in places:
        for path in sorted(place.iterdir()):
            if path not in owners and path.is_file() and path.suffix.lower() in images.SUFFIXES:
                yield CheckedMask(path, whole.name(path))
    for place in dict.fromkeys(s.place for s in whole.subsets):
        with os.scandir(place) as entries:
            labels = sorted(place / entry.name for entry in entries if entry.name.endswith(captions.MASK))
        for path in labels:
            if path not in owners:
                yield CheckedMask(path, whole.name(path))


def _deeper(subset: Subset, subsets: Sequence[Subset]) -> Iterator[Path]:
    """Pictures in folders inside a subset's own: no trainer looks there."""
    if subset.name == ".":
        return
    own = {s.place for s in subsets} | {s.masks for s in subsets}
    with os.scandir(subset.place) as entries:
        below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."]
    found: list[Path] = []
    for place, folders, files in itertools.chain.from_iterable(map(os.walk, below)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if (inside := Path(place)) not in own:
            found += [inside / n for n in files if not n.startswith(".") and Path(n).suffix.lower() in images.SUFFIXES]
    yield from sorted(path for path in found if path.is_file())
