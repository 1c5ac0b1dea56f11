"""Caption checks: missing, empty, in other encodings, of several lines, of another picture, without trigger words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from curate import captions
from curate.checks.findings import Finding, Place, Skipped, places
from curate.checks.folder import CheckedFolder, CheckedPicture, each_caption_once
from curate.checks.settings import Settings, command
from curate.core.counting import counted
from curate.names import words
from curate.scan import legible
from curate.train.data.folders import other_endings
from curate.train.planning.trigger_words import lacking_words

_LONG = 40
"""Letters from which on two captions are no longer the same by chance."""
_TAGS = 6
"""Tags, without trigger words, from which on two captions are no longer the same by chance: taggers give alike pictures
the same few."""


def check(folder: CheckedFolder, settings: Settings) -> Iterator[Finding | Skipped]:
    """The findings."""
    own = each_caption_once(p for p in folder.pictures if p.role == "train" and p.is_readable_format)
    variants = settings.options.caption_variants
    yield from _files(folder, own)
    yield from () if variants == "files" else _twice(own)
    yield from _texts(folder, own)
    yield from _cases(folder, own)
    yield from () if variants == "lines" else _lines(folder, own)
    yield from _odd_choices(own) if settings.options.caption_wildcards else _unmade_choices(own)
    yield from _alone(folder)
    yield from _of_others(folder, own)
    yield from _triggers(folder, own)


def _files(folder: CheckedFolder, own: Sequence[CheckedPicture]) -> Iterator[Finding]:
    missing = [p for p in own if p.beside is None]
    if missing:
        which = counted(len(missing), "picture has", "pictures have")
        ending = other_endings((p.path for p in missing), missing[0].subset.extension)
        hint = f"the captions end in {ending}: train with --caption-extension {ending}, or " if ending else ""
        if lists := _lists(missing):
            are = "is" if len(lists) == 1 else "are"
            hint = f"{' and '.join(lists)} may have them, but {are} not read here: "
        yield Finding(
            "caption-missing",
            f"{which} no caption: a trainer uses the words of the folder, or nothing at all",
            f"{hint}write them, or {command(folder, 'tag')}",
            places((p.name, "") for p in missing),
        )
    empty = [p for p in own if p.beside is not None and not p.text and not (p.unusual and p.unusual.error)]
    if empty:
        which = counted(len(empty), "caption is", "captions are")
        yield Finding(
            "caption-empty",
            f"{which} empty: everything in the picture is learned without a word for it",
            f"write them, or {command(folder, 'tag')}",
            tuple(_place(p) for p in empty),
        )
    unreadable = [p for p in own if p.unusual and p.unusual.error]
    if unreadable:
        which = counted(len(unreadable), "caption cannot be read as text", "captions cannot be read as text")
        yield Finding(
            "caption-unreadable",
            f"{which}: a trainer stops, or trains without it",
            "save it as UTF-8 text",
            tuple(_place(p) for p in unreadable),
        )


def _lists(pictures: Sequence[CheckedPicture]) -> list[str]:
    """Files beside pictures that hold the captions of a whole folder, by name."""
    stems = {Path(p.name).stem for p in pictures}
    subsets = {p.subset.place: p.subset for p in pictures}
    places = {*subsets, *(one.place.parent for one in subsets.values() if one.name != ".")}
    files = (path for place in places for path in place.iterdir() if path.stem not in stems)
    return sorted({legible(path.name) for path in files if path.name.lower() in captions.LISTS or _is_table(path)})


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in (".csv", ".tsv", ".jsonl") and path.is_file()


def _twice(own: Sequence[CheckedPicture]) -> Iterator[Finding]:
    twice = [p for p in own if p.unusual and p.unusual.others]
    if twice:
        which = counted(len(twice), "picture has", "pictures have")
        yield Finding(
            "caption-twice",
            f"{which} two captions that differ: which one is used depends on the trainer",
            "delete the one that is wrong",
            tuple(_place(p, "and " + ", ".join(Path(f).name for f in p.caption.others)) for p in twice if p.caption),
        )


def _rewrite(folder: CheckedFolder) -> str:
    return f"{command(folder, 'captions')} writes every caption as one line of UTF-8"


def _texts(folder: CheckedFolder, own: Sequence[CheckedPicture]) -> Iterator[Finding]:
    written = [p for p in own if p.unusual and not p.unusual.error and p.text]
    odd = [p for p in written if p.unusual and p.unusual.encoding != captions.UTF8]
    if odd:
        which = counted(len(odd), "caption is", "captions are")
        yield Finding(
            "caption-encoding",
            f"{which} not plain UTF-8: other trainers stop, or train garbled words",
            f"save as UTF-8 without byte-order mark, or {_rewrite(folder)}",
            tuple(_place(p, captions.encoding_name(p.caption.encoding)) for p in odd if p.caption),
        )


def _cases(folder: CheckedFolder, own: Sequence[CheckedPicture]) -> Iterator[Finding]:
    other = [p for p in own if p.unusual and _differs_in_case(Path(p.unusual.file).name, Path(p.name).name)]
    if other:
        which = counted(len(other), "caption is", "captions are")
        yield Finding(
            "caption-case",
            f"{which} named otherwise than the picture in upper and lower case: on Linux, other trainers do not read "
            f"{'it' if len(other) == 1 else 'them'}",
            f"rename: the caption of a.png is a.txt; or {_rewrite(folder)}",
            tuple(_place(p) for p in other),
        )


def _differs_in_case(caption: str, picture: str) -> bool:
    stem = Path(picture).stem
    ending = Path(caption).suffix.casefold()
    wanted = stem + ending, picture + ending
    return caption not in wanted and caption.casefold() in {name.casefold() for name in wanted}


def _lines(folder: CheckedFolder, own: Sequence[CheckedPicture]) -> Iterator[Finding]:
    written = [p for p in own if p.unusual and p.text and not p.unusual.file.endswith(".json")]
    lines = [p for p in written if p.unusual and len(p.unusual.raw.strip().splitlines()) > 1]
    if lines:
        which = counted(len(lines), "caption has", "captions have")
        yield Finding(
            "caption-lines",
            f"{which} several lines: kohya's trainer reads the first line alone",
            f"write one line, or {_rewrite(folder)}; if each line is a caption of its own, train with "
            "--caption-variants lines",
            tuple(_place(p) for p in lines),
        )


def _odd_choices(own: Sequence[CheckedPicture]) -> Iterator[Finding]:
    odd = [(p, what) for p in own if p.caption and p.text and (what := captions.odd_choice(p.caption.raw))]
    if odd:
        which = counted(len(odd), "caption has a choice", "captions have choices")
        yield Finding(
            "caption-choices",
            f"{which} with odd braces: they are trained as they are written",
            "write a choice as {a|b}, and braces that are meant as {{ and }}",
            tuple(_place(p, what) for p, what in odd),
        )


def _unmade_choices(own: Sequence[CheckedPicture]) -> Iterator[Finding]:
    odd = [p for p in own if p.text and captions.offers_choice(p.text)]
    if odd:
        which = counted(len(odd), "caption has", "captions have")
        yield Finding(
            "caption-choices",
            f"{which} choices such as {{a|b}}: they are trained as they are written",
            "train with --caption-wildcards, which draws one of each",
            tuple(_place(p) for p in odd),
        )


def _alone(folder: CheckedFolder) -> Iterator[Finding]:
    if folder.orphans:
        which = counted(len(folder.orphans), "caption has", "captions have")
        yield Finding(
            "caption-alone",
            f"{which} no picture: the picture was renamed, or is gone",
            "rename it to its picture's name, or delete it",
            tuple(Place(folder.name(path)) for _, path in folder.orphans),
        )


def _of_others(folder: CheckedFolder, own: Sequence[CheckedPicture]) -> Iterator[Finding]:
    odd = {**_copied(own), **_swapped(own)}
    if odd:
        which = counted(len(odd), "caption seems", "captions seem")
        yield Finding(
            "caption-of-another",
            f"{which} to belong to another picture",
            "compare each with its picture, and correct it",
            tuple(odd[name] for name in sorted(odd)),
        )


def _swapped(own: Sequence[CheckedPicture]) -> dict[str, Place]:
    """Captions with the trigger of another concept in place of their own, by picture."""
    odd: dict[str, Place] = {}
    triggers = {p.subset.name: words(p.subset.words) for p in own if p.subset.words}
    for one in own:
        trigger = words(one.subset.words)
        if not one.text or not lacking_words(one.text, trigger):
            continue
        for name, others in triggers.items():
            if not set(others) <= set(trigger) and not lacking_words(one.text, others):
                odd[one.name] = _place(one, f"it has the trigger words of {name}")
    return odd


def _copied(own: Sequence[CheckedPicture]) -> dict[str, Place]:
    """Long captions that stand twice, by picture; the first of them may be right."""
    odd: dict[str, Place] = {}
    first: dict[int, CheckedPicture] = {}
    for one in own:
        text = _folded(one)
        if len(text) < _LONG or one.caption is None:
            continue
        other = first.setdefault(hash(text), one)
        # pictures that share one file are another fault
        if other is one or other.caption is None or other.caption.file == one.caption.file:
            continue
        if _folded(other) == text and _is_telling(one):
            odd[one.name] = _place(one, f"the same text as for {other.name}")
    return odd


def _is_telling(picture: CheckedPicture) -> bool:
    """Whether a caption says enough to belong to one picture alone: a sentence, or many tags."""
    trigger = words(picture.subset.words)
    tags, sentence = captions.parse(picture.text, trigger)
    return bool(sentence) or len(tags) - len(trigger) >= _TAGS


def _folded(picture: CheckedPicture) -> str:
    return " ".join(picture.text.split()).casefold()


def _triggers(folder: CheckedFolder, own: Sequence[CheckedPicture]) -> Iterator[Finding]:
    lacking = [(p, missing) for p in own if p.text and (missing := lacking_words(p.text, words(p.subset.words)))]
    if lacking:
        which = counted(len(lacking), "caption lacks", "captions lack")
        whose = "its" if len(lacking) == 1 else "their"
        yield Finding(
            "trigger",
            f"{which} trigger words of {whose} folder: the concept is learned without its name",
            f"{command(folder, 'trigger')} puts them first",
            tuple(_place(p, "lacks " + ", ".join(f'"{w}"' for w in missing)) for p, missing in lacking),
        )


def _place(picture: CheckedPicture, detail: str = "") -> Place:
    """The caption file of a picture."""
    assert picture.caption is not None
    return Place(picture.caption.file, detail, picture.name)
