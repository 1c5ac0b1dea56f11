"""Reading a folder as a trainer would take it: names and captions, without opening a picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from curate import captions, images, names
from curate.captions import Caption, Decoded
from curate.checks.folder import CaptionFile, CheckedFolder, CheckedMask, CheckedPicture
from curate.checks.layout import Subset, read_layout
from curate.core.caption_options import CaptionReading
from curate.errors import InputError
from curate.images import masks as mask_files

NOTES = ("readme", "license", "licence", "prompt", "prompts", "sample_prompts", "notes", "credits", "sources")
"""Stems of text files that lie among pictures and are no captions."""


def read_folder(
    target: Path, reading: CaptionReading, validation: Path | None = None, reg: Path | None = None
) -> CheckedFolder:
    """Reads a folder's names and captions; no picture is opened. Raises InputError where there is no picture.

    `validation` and `reg` are folders elsewhere that hold such pictures.
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
        found, alone = _of_subset(whole, subset, reading)
        pictures += found
        orphans += [(subset, path) for path in alone]
        deeper += [whole.name(p) for p in _deeper(subset, subsets)]
    if not pictures:
        raise InputError(f"no pictures in {target}", "give a folder of pictures, or of folders such as 10_zwx dog")
    return dataclasses.replace(
        whole,
        pictures=tuple(pictures),
        masks=tuple(_masks(whole, layout.root, pictures)),
        orphans=tuple(orphans),
        deeper=tuple(deeper),
        findings=tuple(layout.findings),
        notes=tuple(layout.notes),
    )


def _of_subset(
    whole: CheckedFolder, subset: Subset, reading: CaptionReading
) -> tuple[list[CheckedPicture], list[Path]]:
    """The pictures of a subset, and the caption files that belong to none."""
    place = subset.place
    files = [p.name for p in place.iterdir() if not p.name.startswith(".") and p.is_file()]
    beside = captions.sort_files(place.name, files, lambda n: images.may_be_picture(place / n), subset.extension)
    candidates = {place / n: [place / text for text in beside.captions.get(n, ())] for n in beside.pictures}
    its = dataclasses.replace(reading, extension=subset.extension)
    known = captions.read_folder(place.name, candidates, its, names.words(subset.words))
    raw = captions.read_together(
        dict.fromkeys(f for several in candidates.values() for f in several),
        "" if reading.encoding == "auto" else reading.encoding,
    )
    pictures = [
        CheckedPicture(
            path,
            whole.name(path),
            subset,
            _caption_file(whole, texts, known.captions.get(path), known.errors.get(path), raw),
            _mask_of(subset, path, beside.masks),
        )
        for path, texts in candidates.items()
    ]
    taken = {text.name for texts in candidates.values() for text in texts}
    stems = {path.stem.casefold() for path in candidates}
    endings = (subset.extension, *captions.EXTENSIONS)
    alone = [
        n
        for n in sorted(files)
        if n.casefold().endswith(endings)
        and n not in taken
        and Path(n).stem.casefold() not in (*NOTES, *stems)
        and not n.endswith(".toml")
    ]
    return pictures, [place / n for n in alone]


def _caption_file(
    whole: CheckedFolder,
    files: Sequence[Path],
    caption: Caption | None,
    error: InputError | None,
    raw: Mapping[Path, Decoded | InputError],
) -> CaptionFile | None:
    if not files:
        return None
    file = caption.file if caption else files[0]
    text = raw[file]
    others = [f for f in files if f != file and _differs(raw[f], text)]
    plain, encoding = (text.text, text.encoding) if isinstance(text, Decoded) else ("", "")
    return CaptionFile(
        whole.name(file), plain, encoding, caption, error.message if error else "", tuple(whole.name(f) for f in others)
    )


def _differs(one: Decoded | InputError, other: Decoded | InputError) -> bool:
    if not isinstance(one, Decoded) or not isinstance(other, Decoded):
        return True
    return bool(one.text.strip()) and one.text.split() != other.text.split()


def _mask_of(subset: Subset, picture: Path, beside: Mapping[str, str]) -> Path | None:
    for suffix in (".png", picture.suffix, ".jpg", ".webp") if subset.masks else ():
        path = subset.masks / f"{picture.stem}{suffix}"  # type: ignore[operator]
        if path.is_file():
            return path
    return subset.place / beside[picture.name] if picture.name in beside else None


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
        for path in sorted(place.glob("*-masklabel.png")):
            if path not in owners:
                yield CheckedMask(path, whole.name(path))


def _deeper(subset: Subset, subsets: Sequence[Subset]) -> Iterator[Path]:
    """Pictures in folders inside a subset's own: no trainer looks there."""
    if subset.name == ".":
        return
    own = {s.place for s in subsets} | {s.masks for s in subsets}
    for path in sorted(subset.place.rglob("*")):
        inside = path.relative_to(subset.place)
        if len(inside.parts) < 2 or any(part.startswith(".") for part in inside.parts) or path.parent in own:
            continue
        if path.suffix.lower() in images.SUFFIXES and path.is_file():
            yield path
