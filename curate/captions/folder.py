"""Folder: the captions of one folder, decoded and brought into one form; what was guessed is said once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.captions.encoding import Decoded, encoding_messages, read_together
from curate.captions.form import MARKER, FolderForm, decide, kept_tags, normalize
from curate.captions.wording import Wording, odd_choice, read_json
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
    variants  all captions of the picture, this one first, where there are several or they are asked for
    """

    file: Path
    text: str
    encoding: str
    kept: tuple[int, int] | None = None
    raw: str = ""
    variants: tuple[Wording, ...] = ()


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
    chosen: dict[Path, list[_Written]] = {}
    errors: dict[Path, InputError] = {}
    for picture, several in files.items():
        try:
            if written := _written(several, texts, reading):
                chosen[picture] = written
        except InputError as error:
            errors[picture] = error
    rows = [raw for written in chosen.values() for one in written for raw in one.raws]
    about = decide(rows, own) if reading.form == "auto" else FolderForm(reading.form)
    captions = {picture: _caption(written, about, reading) for picture, written in chosen.items()}
    decoded = {one.file: one.decoded for written in chosen.values() for one in written}
    messages = [
        *(encoding_messages(place, decoded) if not encoding else ()),
        *_form_messages(place, rows, about, reading),
        *(_brace_messages(place, chosen.values()) if reading.wildcards else ()),
        *(_choice_messages(place, files, texts) if reading.variants != "files" else ()),
    ]
    return FolderCaptions(captions, errors, tuple(messages), about)


@dataclass(frozen=True, slots=True)
class _Written:
    """A caption file that is used, and the captions in it."""

    file: Path
    decoded: Decoded
    raws: tuple[str, ...]


def _written(
    several: Sequence[Path], texts: Mapping[Path, Decoded | InputError], reading: CaptionReading
) -> list[_Written]:
    """The caption files of one picture that are used: the first that is not blank, or all. Raises InputError."""
    result: list[_Written] = []
    for file in several:
        text = texts[file]
        if isinstance(text, InputError):
            raise text
        if raws := _raws(file, text.text, reading):
            result.append(_Written(file, text, raws))
            if reading.variants != "files":
                break
    return result


def _raws(file: Path, text: str, reading: CaptionReading) -> tuple[str, ...]:
    if not text.strip():
        return ()
    if reading.is_list:
        return tuple(read_json(text, file))
    if reading.variants == "lines":
        return tuple(line for line in text.splitlines() if line.strip())
    return (text,)


def _caption(written: Sequence[_Written], about: FolderForm, reading: CaptionReading) -> Caption:
    raws = [raw for one in written for raw in one.raws]
    wordings = [Wording(normalize(raw.strip(), about), kept_tags(raw, about, reading.wildcards)) for raw in raws]
    first = wordings[0]
    raw = written[0].decoded.text.strip()
    # most captions stand in their file as they are read: one text is kept of them
    raw = first.text if raw == first.text else raw
    several = reading.is_list or reading.variants != "one"
    variants = tuple(dict.fromkeys(wordings)) if several else ()
    return Caption(written[0].file, first.text, written[0].decoded.encoding, first.kept, raw, variants)


def _brace_messages(place: str, captions: Collection[Sequence[_Written]]) -> Iterator[str]:
    odd = [(one.file.name, what) for written in captions for one in written if (what := _odd(one.raws))]
    if odd:
        name, what = odd[0]
        yield f"{place}: {_captions(len(odd))} with odd braces: in {name}, {what}{' …' * (len(odd) > 1)}"


def _odd(raws: Sequence[str]) -> str:
    return next((what for raw in raws if (what := odd_choice(raw))), "")


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
