"""Reads a folder in kohya's layout, `N_trigger/` with pictures and .txt files, and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curate import captions, names
from curate.captions import Caption, Wording
from curate.core.caption_options import CaptionReading
from curate.core.counting import counted
from curate.core.digests import FileDigests, file_digest, text_digest
from curate.errors import InputError
from curate.train.data import folders
from curate.train.data.folders import MASKS, SUFFIXES, Concept
from curate.train.data.picture_checks import display_name, has_usable_mask, usable_size

_READING = CaptionReading()
NOT_USED = "the caption is not used"


@dataclass(frozen=True, slots=True)
class Picture:
    """A training picture. `digest` is of the file's bytes; width and height are after orientation.

    words   of its folder: what it is called without a caption, and which tags stay in front
    kept    how many tags its caption itself keeps first and last (`|||`), None where it says nothing of it
    variants  its captions where there are several, `caption` first
    mask    a grey picture that says what of it counts
    reg     shows the class for regularisation, not the concept
    """

    path: Path
    concept: str
    repeats: int
    caption: str
    digest: str
    width: int
    height: int
    words: str = ""
    mask: Path | None = None
    reg: bool = False
    kept: tuple[int, int] | None = None
    variants: tuple[Wording, ...] = ()

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """Its captions, of which each showing has one."""
        return self.variants or (Wording(self.caption, self.kept),)


@dataclass(slots=True)
class Dataset:
    """What a folder holds.

    triggers    a concept folder's words after its N
    reg         regularisation pictures, from a folder of their own
    warnings    for the user
    """

    folder: Path
    pictures: list[Picture]
    triggers: dict[str, str]
    digest: str
    warnings: list[str] = field(default_factory=list[str])
    reg: list[Picture] = field(default_factory=list[Picture])


def read_dataset(
    folder: Path,
    reading: CaptionReading = _READING,
    digests: FileDigests | None = None,
    *,
    masks: bool = False,
    reg: bool = False,
    left_out: frozenset[Path] = frozenset(),
) -> Dataset:
    """Every picture of every `N_name` folder directly inside `folder`, sorted by path.

    Pictures in `left_out` (absolute paths) are passed over, and of regularisation pictures (`reg`) those that refuse AI
    training or cannot be checked for it. A picture without a caption gets its folder's words; so does one whose caption
    is no text, since a caption can be written again and a run keeps the picture as well. With `masks`, those in
    FOLDER/masks belong to them.
    Raises InputError where nothing can be trained: no folder, no `N_name` folder, no picture, no caption at all
    (regularisation pictures need none), no mask where masks are wanted.
    """
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder}", "give a folder with sub-folders called N_trigger, as in 10_zwx dog"
        )
    concepts, warnings = folders.concepts(folder)
    captioned: list[tuple[Picture, Caption | None]] = []
    for concept in concepts:
        content = read_concept(concept, reading, left_out)
        warnings += content.messages
        captioned += _pictures(folder, concept, content, masks, reg, digests, warnings)
    pictures = [picture for picture, _ in captioned]
    if not pictures:
        raise InputError(f"{folder} holds no pictures that can be read", "\n  ".join(warnings))
    _check_masks(folder, pictures, masks, reg, warnings)
    if not reg:
        uncaptioned = [picture.path for picture, caption in captioned if caption is None]
        _check_captions(folder, reading.extension, len(pictures), uncaptioned, warnings)
    lines = [_identity(picture, caption, digests) for picture, caption in captioned]
    triggers = {concept.place.name: concept.words for concept in concepts}
    return Dataset(folder, pictures, triggers, text_digest(*lines), warnings)


def _pictures(
    folder: Path,
    concept: Concept,
    content: Content,
    masks: bool,
    reg: bool,
    digests: FileDigests | None,
    warnings: list[str],
) -> Iterator[tuple[Picture, Caption | None]]:
    """The usable pictures of a concept with their captions; masks that nothing uses are named."""
    for path in content.pictures:
        size = usable_size(path, reg, warnings)
        mask = mask_of(folder, path, content.masks) if masks else None
        if size is None or not has_usable_mask(path, mask, warnings):
            continue
        caption = content.captions.get(path)
        if path in content.errors:
            warnings.append(f"{display_name(path)}: {NOT_USED}: {content.errors[path].message}")
        yield _picture(path, concept, size, caption, mask, reg, digests), caption
    if content.masks and not (masks or reg):
        number = counted(len(content.masks), "mask is", "masks are")
        warnings.append(f"{concept.place.name}: {number} not used: masked_loss is off")


def _check_masks(folder: Path, pictures: Sequence[Picture], masks: bool, reg: bool, warnings: list[str]) -> None:
    if masks and not any(p.mask for p in pictures):
        raise InputError(
            f"masked_loss has no effect: {folder / MASKS} holds no mask of a picture",
            f"the mask of 10_dog/a.jpg is {MASKS}/10_dog/a.png or 10_dog/a-masklabel.png: "
            "white is learned, black is not",
        )
    if not masks and not reg and (folder / MASKS).is_dir():
        warnings.append(f"{folder / MASKS} is not used: masked_loss is off")


@dataclass(frozen=True, slots=True)
class Content:
    """The files of a concept's folder, by name: pictures, their captions, and masks that lie beside them."""

    pictures: list[Path]
    captions: Mapping[Path, Caption]
    errors: Mapping[Path, InputError]
    masks: Mapping[Path, Path]
    messages: list[str]


def read_concept(concept: Concept, reading: CaptionReading, left_out: frozenset[Path] = frozenset()) -> Content:
    """What the folder of a concept holds, captions read; pictures in `left_out` are passed over."""
    place = concept.place
    files = [p.name for p in place.iterdir() if not p.name.startswith(".") and p.is_file()]
    beside = captions.sort_files(place.name, files, _is_picture, reading.extension)
    pictures = [p for p in (place / name for name in beside.pictures) if p.absolute() not in left_out]
    candidates = {p: [place / text for text in beside.captions.get(p.name, ())] for p in pictures}
    result = captions.read_folder(place.name, candidates, reading, names.words(concept.words))
    messages = [] if pictures else [f"{place.name} holds no pictures"]
    misread = captions.misread_message(place.name, {c.file.name: c.encoding for c in result.captions.values()})
    messages += [*beside.messages, *result.messages, *([misread] if misread else []), *folders.unread(place)]
    _warn_twins(pictures, messages)
    masks = {p: place / beside.masks[p.name] for p in pictures if p.name in beside.masks}
    return Content(pictures, result.captions, result.errors, masks, messages)


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES


def _picture(
    path: Path,
    concept: Concept,
    size: tuple[int, int],
    caption: Caption | None,
    mask: Path | None,
    reg: bool,
    digests: FileDigests | None,
) -> Picture:
    text, kept, variants = (concept.words, None, ())
    if caption is not None:
        text, kept, variants = caption.text, caption.kept, caption.variants
    digest = file_digest(path, digests)
    return Picture(
        path, path.parent.name, concept.repeats, text, digest, *size, concept.words, mask, reg, kept, variants
    )


def _identity(picture: Picture, caption: Caption | None, digests: FileDigests | None) -> str:
    """What of a picture decides what is learnt, as a line of the dataset's digest."""
    text = None if caption is None else caption.text
    line = f"{picture.concept}/{picture.path.name}\0{picture.digest}\0{text}"
    line += f"\0{file_digest(picture.mask, digests)}" if picture.mask else ""
    line += f"\0{picture.kept}" if picture.kept else ""
    others = [(one.text, one.kept) for one in picture.variants[1:]]
    return line + (f"\0{others}" if others else "")


def _check_captions(folder: Path, extension: str, pictures: int, without: list[Path], warnings: list[str]) -> None:
    other = folders.other_endings(without, extension)
    if len(without) == pictures:
        hint = f"there are files ending in {other}: give caption_extension {other}" if other else ""
        what = f"none of the {counted(pictures, 'picture')}" if pictures > 1 else "no picture"
        unused = [line for line in warnings if NOT_USED in line]
        if unused:
            raise InputError(f"{what} in {folder} has a caption that can be used", "\n  ".join(unused[:10]))
        raise InputError(
            f"{what} in {folder} has a caption in a file ending in {extension}",
            hint or "write captions with `curate tag`, or say how the files end with caption_extension",
        )
    if without:
        named = ", ".join(f"{p.parent.name}/{p.name}" for p in without[:5]) + (" …" if len(without) > 5 else "")
        warnings.append(
            f"{counted(len(without), 'picture has', 'pictures have')} no caption; "
            f"training uses the words of the folder: {named}"
        )


def add_regularisation(
    data: Dataset, folder: Path, reading: CaptionReading = _READING, digests: FileDigests | None = None
) -> None:
    """Reads regularisation pictures in; they are part of what the digest stands for."""
    found = read_dataset(folder, reading, digests, reg=True)
    data.reg = found.pictures
    data.warnings += [f"{folder.name}: {line}" for line in found.warnings]
    data.digest = text_digest(data.digest, found.digest)


def _warn_twins(paths: list[Path], warnings: list[str]) -> None:
    """Two pictures that differ in the suffix alone share one caption file."""
    seen: dict[str, Path] = {}
    for path in paths:
        if other := seen.get(path.stem):
            warnings.append(f"{path.parent.name}: {other.name} and {path.name} share one caption")
        seen[path.stem] = path


def mask_of(folder: Path, picture: Path, beside: Mapping[Path, Path]) -> Path | None:
    """The mask of a picture: FOLDER/masks/CONCEPT/STEM.png, else STEM-masklabel.png beside it, else None."""
    path = folder / MASKS / picture.parent.name / f"{picture.stem}.png"
    return path if path.is_file() else beside.get(picture)
