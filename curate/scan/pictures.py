"""Pictures: what is in the input folders, each picture with what lies beside it."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from curate import captions, images
from curate.core.counting import counted
from curate.core.events import Listener, Note
from curate.core.store import wrote_pictures
from curate.errors import InputError
from curate.images import masks
from curate.names import FolderName, folder_name


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture file on disk.

    key     `concept/path`
    folder  the concept folder's own name, read as `name`
    place   the folder that it lies in; there may be a million others, so it and what lies beside it are names there
    file    its name
    root    the input that it was found under
    texts   names of files beside it that may be its caption, the one to be taken first in front
    mask    the file that says what of it counts: in `masks/` beside the concept folders, or `a-masklabel.png`
    """

    key: str
    folder: str
    name: FolderName
    place: Path
    file: str
    root: Path
    texts: tuple[str, ...] = ()
    mask: Path | None = None

    @property
    def path(self) -> Path:
        """The picture file."""
        return self.place / self.file

    @property
    def captions(self) -> tuple[Path, ...]:
        """Files beside it that may be its caption."""
        return tuple(self.place / text for text in self.texts)

    @property
    def concept(self) -> str:
        """The concept's name."""
        return self.name.name

    @property
    def caption(self) -> Path | None:
        """The caption file beside it, None without one."""
        return next(iter(self.captions), None)


def list_pictures(inputs: Sequence[Path], tell: Listener, skip: Path | None = None) -> list[SourcePicture]:
    """All pictures under the inputs, sorted by key; each sub-folder is a concept, the input one for loose pictures.

    Hidden files, ledgers and the folder `skip` are left out; symbolic links are followed, loops are not.
    Raises InputError for a missing or unreadable input.
    """
    every: list[SourcePicture] = []
    hidden = os.path.realpath(skip) if skip is not None else ""
    for root in inputs:
        check_input(root)
        found: list[SourcePicture] = []
        for place, names in _walk(root, hidden, tell, ()):
            parts, folder, name, before = _place_names(root, place)
            beside = captions.sort_files("/".join((folder, *parts[1:])), names, images.may_be_picture)
            if name.repeats != 0:
                for line in beside.messages:
                    tell(Note("warning", line))
            for file in beside.pictures:
                texts = tuple(beside.captions.get(file, ()))
                mask = place / beside.masks[file] if file in beside.masks else None
                found.append(SourcePicture(f"{before}/{legible(file)}", folder, name, place, file, root, texts, mask))
        every.extend(_switched_on(root, _with_masks(root, found, tell), tell))
    return _distinct(every)


def check_input(root: Path) -> None:
    """Raises InputError for an input that is no folder."""
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise InputError(f"input folder {root} {what}", "give a folder with one sub-folder per concept")


def would_overwrite_sources(out: Path, source: Path) -> bool:
    """Whether `out` lies in the input `source` and holds pictures of it: writing there would change the sources."""
    if source.resolve() not in out.resolve().parents or wrote_pictures(out):
        return False
    return any(images.may_be_picture(name) for _, names in _walk(out, "", lambda _: None, ()) for name in names)


def picture_key(root: Path, path: Path) -> str:
    """The key that `list_pictures` gives a picture under the input `root`, if no other one there has it."""
    _, _, _, before = _place_names(root, path.parent)
    return f"{before}/{legible(path.name)}"


def picture_place(root: Path, name: str) -> tuple[str, str]:
    """The concept and the key of something called `name` under the input `root`, whatever the name holds."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")] or ["_"]
    _, _, concept, before = _place_names(root, root.joinpath(*parts[:-1]))
    return concept.name, f"{before}/{legible(parts[-1])}"


def _place_names(root: Path, place: Path) -> tuple[list[str], str, FolderName, str]:
    """A folder's path below the input, its concept folder, what that name says, and how keys of its pictures start."""
    parts = [legible(p) for p in place.relative_to(root).parts]
    folder = parts[0] if parts else legible(root.resolve().name)
    name = folder_name(folder) if parts else _root_name(root)
    return parts, folder, name, "/".join((name.name, *parts[1:]))


def _root_name(root: Path) -> FolderName:
    """What the input's own name says of loose pictures in it: N_words, or it is words as a whole."""
    name = folder_name(legible(root.resolve().name))
    whole = unicodedata.normalize("NFC", legible(root.resolve().name))
    return name if name.repeats and not name.warning else FolderName(None, whole)


def _switched_on(root: Path, found: list[SourcePicture], tell: Listener) -> list[SourcePicture]:
    """The pictures without those in folders such as `0_dog`; folders with wrong names are named."""
    counts: dict[str, tuple[FolderName, int]] = {}
    for one in found:
        counts[one.folder] = (one.name, counts.get(one.folder, (one.name, 0))[1] + 1)
    for folder, (name, count) in counts.items():
        if name.repeats == 0:
            tell(
                Note(
                    "info",
                    f"folder {folder} ({counted(count, 'picture')}) is skipped because it has 0 repeats",
                )
            )
        elif name.warning:
            tell(Note("warning", f"folder {name.warning}"))
    return [f for f in found if f.name.repeats != 0]


def _with_masks(root: Path, found: list[SourcePicture], tell: Listener) -> list[SourcePicture]:
    """`masks/10_dog/a.png` is the mask of `10_dog/a.jpg`, where there is such a picture, and else a picture itself.

    One beside the masks of other pictures may be what a picture that is gone left behind: it is told of.
    """
    if not any(f.folder == masks.FOLDER for f in found):
        return found
    stems = {f.path.relative_to(root).with_suffix("") for f in found}
    below = [f.path for f in found if f.path.relative_to(root).parts[0] == masks.FOLDER and f.path.suffix == ".png"]
    drawn = {
        stem: p
        for p in below
        if (stem := p.relative_to(root / masks.FOLDER).with_suffix("")) in stems and stem.parts[1:]
    }
    if not drawn:
        return found
    taken = set(drawn.values())
    homes = {p.parent for p in taken}
    for left in [p for p in below if p.parent in homes and p not in taken]:
        tell(
            Note(
                "warning",
                f"{left} looks like a mask, but no picture belongs to it, so it is used as a "
                "picture: remove it if its picture is gone",
            )
        )
    return [
        dataclasses.replace(f, mask=drawn.get(f.path.relative_to(root).with_suffix(""), f.mask))
        for f in found
        if f.path not in taken
    ]


def legible(name: str) -> str:
    """A file's name as text: composed (NFC), and read as Latin-1 where its bytes are no UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        name = name.encode("utf-8", "surrogateescape" if os.name != "nt" else "surrogatepass").decode("latin-1")
    return unicodedata.normalize("NFC", name)


def _walk(folder: Path, skip: str, tell: Listener, above: tuple[str, ...]) -> Iterator[tuple[Path, list[str]]]:
    """Each folder with the names of the files in it, top down and sorted; `above` are the real paths above."""
    real = os.path.realpath(folder)
    if real in above or real == skip:
        return
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():  # noqa: PTH112 – of a link to itself
                    folders.append(entry.name)
                elif not os.path.exists(entry.path) or entry.is_file():  # noqa: PTH110 – a broken link is told of later
                    files.append(entry.name)
                else:
                    tell(Note("warning", f"{entry.path} is neither a file nor a folder and is left out"))
    except OSError as error:
        tell(Note("warning", f"folder {folder} cannot be read and is left out: {error.strerror}"))
    yield folder, sorted(files)
    for name in sorted(folders):
        if wrote_pictures(folder / name):
            tell(Note("warning", f"{folder / name} is skipped because curate wrote it: it is not a source picture"))
            continue
        yield from _walk(folder / name, skip, tell, (*above, real))


def _distinct(found: list[SourcePicture]) -> list[SourcePicture]:
    """Two inputs may hold the same concept and file name; the later one's key gets a number."""
    found.sort(key=lambda f: f.key)
    if all(a.key != b.key for a, b in pairwise(found)):
        return found
    taken: set[str] = set()
    result: list[SourcePicture] = []
    for one in sorted(found, key=lambda f: (f.key, str(f.path))):
        key, n = one.key, 1
        while key in taken:
            n += 1
            key = f"{one.key}~{n}"
        taken.add(key)
        result.append(dataclasses.replace(one, key=key))
    return result
