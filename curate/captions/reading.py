"""Reading the captions of one folder in order: decoded together and brought into one form, in little memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curate.captions.encoding import Decoded, detect_common, read_one
from curate.captions.encoding_messages import encoding_messages
from curate.captions.form import MARKER, FolderForm, decide, kept_tags, normalize
from curate.captions.wording import Wording, odd_choice, read_json
from curate.core.caption_options import CaptionReading
from curate.core.counting import counted
from curate.core.packed import Packed
from curate.errors import InputError

_Used = tuple[int, str, str, tuple[str, ...]]
"""A caption file that is used: which of those beside the picture, its text, its encoding, and the captions in it."""


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
class ReadCaptions:
    """The captions of a folder's pictures in order, each made when it is asked for: None without one, or the error.

    messages  what the person should know of how they were read
    form      how the captions are written
    """

    each: Iterator[Caption | InputError | None]
    messages: tuple[str, ...]
    form: FolderForm


@dataclass
class _Gathered:
    """What is told of a folder's captions: those that are not plain UTF-8, odd choices `{a|b}`, pictures with two."""

    odd: dict[Path, Decoded] = field(default_factory=dict[Path, Decoded])
    braces: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    hidden: list[str] = field(default_factory=list[str])
    ignored: list[str] = field(default_factory=list[str])


def read_in_order(
    place: str, files: Callable[[], Iterable[Sequence[Path]]], reading: CaptionReading, own: Collection[str] = ()
) -> ReadCaptions:
    """Reads the captions of one folder; `files` gives, as often as asked, the caption files beside each picture.

    `place` is the folder's name in messages, `own` its words. A blank file gives way to the next.
    """
    given = "" if reading.encoding == "auto" else reading.encoding
    read: Packed[list[Decoded | InputError]] = Packed()
    unclear: dict[Path, bytes] = {}
    for several in files():
        read.append([read_one(file, given, unclear) for file in several])
    common = detect_common(unclear)
    used: Packed[list[_Used] | InputError] = Packed()
    gathered = _Gathered()
    for several, texts in zip(files(), read, strict=True):
        clear = [common.get(file, text) for file, text in zip(several, texts, strict=True)]
        used.append(one := _used(several, clear, reading))
        _gather(gathered, several, clear, one, braces=reading.wildcards)
    rows = (raw for one in used if not isinstance(one, InputError) for _, _, _, raws in one for raw in raws)
    about = FolderForm(reading.form) if reading.form != "auto" else decide(rows, own)
    messages = [
        *(encoding_messages(place, gathered.odd) if not given else ()),
        *_form_messages(place, used, about, reading),
        *(_brace_messages(place, gathered) if reading.wildcards else ()),
        *(_choice_messages(place, gathered) if reading.variants != "files" else ()),
    ]
    each = (_caption(several, one, about, reading) for several, one in zip(files(), used, strict=True))
    return ReadCaptions(each, tuple(messages), about)


def caption_of(file: Path, text: Decoded, form: FolderForm) -> Caption | None:
    """The caption that the one file beside a picture holds, in the form of its folder; None where the text is blank."""
    raw = text.text.strip()
    return Caption(file, normalize(raw, form), text.encoding, kept_tags(raw, form), raw) if raw else None


def _used(
    several: Sequence[Path], texts: Sequence[Decoded | InputError], reading: CaptionReading
) -> list[_Used] | InputError:
    """The caption files of one picture that are used: the first that is not blank, or all."""
    result: list[_Used] = []
    for number, (file, text) in enumerate(zip(several, texts, strict=True)):
        if isinstance(text, InputError):
            return text
        try:
            raws = _raws(file, text.text, reading)
        except InputError as error:
            return error
        if raws:
            result.append((number, text.text, text.encoding, raws))
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


def _gather(
    gathered: _Gathered,
    several: Sequence[Path],
    texts: Sequence[Decoded | InputError],
    used: list[_Used] | InputError,
    *,
    braces: bool,
) -> None:
    for number, text, encoding, raws in () if isinstance(used, InputError) else used:
        if braces and (what := next(filter(None, map(odd_choice, raws)), "")):
            gathered.braces.append((several[number].name, what))
        if not (decoded := Decoded(text, encoding)).is_plain:
            gathered.odd[several[number]] = decoded
    if len(several) < 2:
        return
    blank = [isinstance(text, Decoded) and not text.text.strip() for text in texts]
    if blank[0] and not all(blank):
        gathered.hidden.append(several[0].name)
    if not blank[0] and not all(blank[1:]):
        gathered.ignored.append(several[0].name)


def _caption(
    several: Sequence[Path], used: list[_Used] | InputError, about: FolderForm, reading: CaptionReading
) -> Caption | InputError | None:
    if isinstance(used, InputError):
        return used
    if not used:
        return None
    raws = [raw for *_, raws in used for raw in raws]
    wordings = [Wording(normalize(raw.strip(), about), kept_tags(raw, about, reading.wildcards)) for raw in raws]
    first, (number, text, encoding, _) = wordings[0], used[0]
    raw = text.strip()
    # most captions stand in their file as they are read: one text is kept of them
    raw = first.text if raw == first.text else raw
    several_each = reading.is_list or reading.variants != "one"
    variants = tuple(dict.fromkeys(wordings)) if several_each else ()
    return Caption(several[number], first.text, encoding, first.kept, raw, variants)


def _form_messages(
    place: str, used: Iterable[list[_Used] | InputError], about: FolderForm, reading: CaptionReading
) -> Iterator[str]:
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
    several = marked = 0
    for row in (raw for one in used if not isinstance(one, InputError) for *_, raws in one for raw in raws):
        several += "\n" in row.strip()
        marked += MARKER in row
    if several and about.form in ("tags", "semicolons"):
        yield f"{place}: {_captions(several)} of several lines: they are read as one line"
    if marked:
        yield (
            f"{place}: {_captions(marked)} with {MARKER}: it separates tags, and the tags before it stay first; "
            "the mark itself is removed"
        )


def _brace_messages(place: str, gathered: _Gathered) -> Iterator[str]:
    if gathered.braces:
        (name, what), more = gathered.braces[0], len(gathered.braces) > 1
        yield f"{place}: {_captions(len(gathered.braces))} with odd braces: in {name}, {what}{' …' * more}"


def _choice_messages(place: str, gathered: _Gathered) -> Iterator[str]:
    if hidden := gathered.hidden:
        yield f"{place}: {_captions(len(hidden))} in a second file, since the first is empty: {_first(hidden)}"
    if ignored := gathered.ignored:
        several_each = counted(len(ignored), "picture has", "pictures have")
        yield f"{place}: {several_each} two captions, of which one is read: {_first(ignored)}"


def _captions(count: int) -> str:
    return "there is 1 caption" if count == 1 else f"there are {count} captions"


def _first(names: Sequence[str]) -> str:
    return names[0] + (" …" if len(names) > 1 else "")
