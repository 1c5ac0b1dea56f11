"""Folder: the captions of one folder, decoded and brought into one form; what was guessed is said once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.captions.encoding import Decoded, encoding_messages, read_together
from curate.captions.form import MARKER, FolderForm, decide, kept_tags, normalize
from curate.core.caption_options import CaptionReading
from curate.core.counting import counted
from curate.errors import InputError


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption that lies beside a picture.

    text      as one line, with commas between tags
    raw       as it stands in the file, without blanks around it
    encoding  the codec that the file was read with
    kept      how many tags `|||` keeps first and last, None where the caption has none
    """

    file: Path
    text: str
    encoding: str
    kept: tuple[int, int] | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class FolderCaptions:
    """The captions of one folder by picture; pictures without one are in neither mapping.

    errors    of pictures whose caption cannot be read
    messages  what the person should know of how they were read
    form      how the captions are written
    """

    captions: Mapping[Path, Caption]
    errors: Mapping[Path, InputError]
    messages: tuple[str, ...]
    form: FolderForm


def read_folder(
    place: str, files: Mapping[Path, Sequence[Path]], reading: CaptionReading, own: Collection[str] = ()
) -> FolderCaptions:
    """Reads the captions of one folder. `files` has the caption files beside each picture, the preferred one first.

    `place` is the folder's name in messages, `own` its words. A blank file gives way to the next.
    """
    encoding = "" if reading.encoding == "auto" else reading.encoding
    texts = read_together(dict.fromkeys(f for several in files.values() for f in several), encoding)
    chosen: dict[Path, tuple[Path, Decoded]] = {}
    errors: dict[Path, InputError] = {}
    for picture, several in files.items():
        file = next((f for f in several if not _is_blank(texts[f])), None)
        if file is not None and isinstance(text := texts[file], Decoded):
            chosen[picture] = (file, text)
        elif file is not None and isinstance(error := texts[file], InputError):
            errors[picture] = error
    rows = [decoded.text for _, decoded in chosen.values()]
    about = decide(rows, own) if reading.form == "auto" else FolderForm(reading.form)
    captions = {picture: _caption(file, decoded, about) for picture, (file, decoded) in chosen.items()}
    messages = [
        *(encoding_messages(place, dict(chosen.values())) if not encoding else ()),
        *_form_messages(place, rows, about, reading),
        *_choice_messages(place, files, texts),
    ]
    return FolderCaptions(captions, errors, tuple(messages), about)


def _caption(file: Path, decoded: Decoded, about: FolderForm) -> Caption:
    raw = decoded.text.strip()
    text = normalize(raw, about)
    # most captions stand in their file as they are read: one text is kept of them
    raw = text if raw == text else raw
    return Caption(file, text, decoded.encoding, kept_tags(decoded.text, about), raw)


def _is_blank(text: Decoded | InputError) -> bool:
    return isinstance(text, Decoded) and not text.text.strip()


def _form_messages(place: str, rows: Sequence[str], about: FolderForm, reading: CaptionReading) -> Iterator[str]:
    if reading.form == "auto" and about.form != "tags":
        what = {"spaces": "spaces", "lines": "line ends", "semicolons": "semicolons"}[about.form]
        yield f"{place}: its captions separate tags with {what}; if that is wrong, set caption_form"
    if about.mixed:
        yield (
            f"{place}: some captions separate tags with commas and others with spaces: each is read in its own way; "
            "set caption_form to read all in the same way"
        )
    if about.unclear:
        yield (
            f"{place}: captions without commas are read as one tag or sentence each; "
            "if spaces separate their tags, set caption_form to spaces"
        )
    several = sum("\n" in row.strip() for row in rows)
    if several and about.form in ("tags", "semicolons"):
        yield f"{place}: {_captions(several)} of several lines: they are read as one line"
    if marked := sum(MARKER in row for row in rows):
        yield (
            f"{place}: {_captions(marked)} with {MARKER}: it separates tags, and the tags before it stay first; "
            "the mark itself is removed"
        )


def _choice_messages(
    place: str, files: Mapping[Path, Sequence[Path]], texts: Mapping[Path, Decoded | InputError]
) -> Iterator[str]:
    several = [f for f in files.values() if len(f) > 1]
    hidden = [f for f in several if _is_blank(texts[f[0]]) and not all(_is_blank(texts[one]) for one in f)]
    if hidden:
        yield f"{place}: {_captions(len(hidden))} in a second file, since the first is empty: {_first(hidden, 0)}"
    ignored = [f for f in several if not _is_blank(texts[f[0]]) and any(not _is_blank(texts[one]) for one in f[1:])]
    if ignored:
        several_each = counted(len(ignored), "picture has", "pictures have")
        yield f"{place}: {several_each} two captions, of which one is read: {_first(ignored, 0)}"


def _captions(count: int) -> str:
    return "there is 1 caption" if count == 1 else f"there are {count} captions"


def _first(rows: Sequence[Sequence[Path]], index: int) -> str:
    return rows[0][index].name + (" …" if len(rows) > 1 else "")
