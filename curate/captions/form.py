"""Form: how the captions of one folder are written (tags between commas, spaces or lines), and one as all are read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from curate.captions.prose import SENTENCE_END, is_prose
from curate.captions.text import canonical
from curate.captions.wording import pieces
from taggers.underscores import keeps_underscores

Form = Literal["tags", "spaces", "lines", "semicolons", "sentence"]
"""What stands between a caption's tags: commas, spaces, line ends or semicolons; a sentence has none."""
FORMS: tuple[Form, ...] = get_args(Form)

MARKER = "|||"
"""kohya's keep_tokens_separator: tags before the first stay in front, those behind a second stay last."""

_COMMA = re.compile(r"[,，、،､]|\|\|\|")
_WIDE = re.compile(r"\s*[，、،､]\s*")
_SEMICOLON = re.compile(r";\s+")
_ENDED = re.compile(r"[.!?…。！？][\"'”’)]*$")
_COUNT = re.compile(r"(solo|\d\+?(girl|boy|other)s?)", re.IGNORECASE)
"""Tags that stand in most captions of the picture boards, and in no sentence."""
_STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "was",
        "with",
        "and",
        "on",
        "in",
        "at",
        "of",
        "to",
        "by",
        "his",
        "her",
        "its",
        "their",
    ]
)


@dataclass(frozen=True, slots=True)
class FolderForm:
    """The form of a folder's captions.

    mixed    so many captions without commas look like tags between spaces that each is judged by itself
    unclear  of captions without commas it cannot be told whether they are one tag or several
    """

    form: Form = "tags"
    mixed: bool = False
    unclear: bool = False


def decide(texts: Iterable[str], own: Collection[str] = ()) -> FolderForm:
    """The form that a folder's captions have in common; `own` are the folder's words, whose underscores say nothing."""
    rows = [text for text in (t.strip() for t in texts) if text]
    words = {canonical(w) for w in own}
    several = [row for row in rows if "\n" in row]
    if 2 * len(several) >= len(rows) and several and _one_tag_a_line(several):
        return FolderForm("lines")
    plain = [row for row in rows if not _COMMA.search(row) and "\n" not in row]
    if 2 * sum(len([p for p in _SEMICOLON.split(row) if p.strip()]) > 1 for row in plain) > len(rows):
        return FolderForm("semicolons")
    many = [row for row in plain if len(row.split()) > 1]
    boards = [row for row in many if _is_spaced(row, words)]
    if boards and len(plain) == len(rows):
        prose = sum(_reads_as_prose(row) for row in many)
        if 10 * len(boards) >= len(many) and 5 * prose <= len(many):
            return FolderForm("spaces")
    long = [row for row in many if len(row.split()) > 3 and not _reads_as_prose(row) and row not in boards]
    return FolderForm(mixed=5 * len(boards) > len(rows), unclear=2 * len(long) > len(rows))


def _one_tag_a_line(rows: Sequence[str]) -> bool:
    lines = [line.strip().rstrip(",，、").strip() for row in rows for line in row.split("\n") if line.strip()]
    tags = sum(not _COMMA.search(line) and len(line.split()) < 7 and not is_prose(line) for line in lines)
    return 10 * tags >= 9 * len(lines)


def _is_spaced(row: str, own: Collection[str]) -> bool:
    """Whether a caption without commas has tags of a picture board in it."""
    words = [w for w in row.split() if w not in own]
    boards = any(("_" in w.strip("_") and not keeps_underscores(w)) or _COUNT.fullmatch(w) for w in words)
    return boards and len(row.split()) > 1 and not _reads_as_prose(row)


def _reads_as_prose(row: str) -> bool:
    words = [w.strip(".,;:!?\"'").casefold() for w in row.split()]
    return is_prose(row) or bool(SENTENCE_END.search(row + " ")) or sum(w in _STOP_WORDS for w in words) > 0


def normalize(text: str, about: FolderForm) -> str:
    """A caption as one line with commas between its tags; as it stands where it is written so."""
    text = text.strip()
    form = about.form
    if form == "sentence":
        return " ".join(text.split())
    if form == "spaces" or (about.mixed and not _COMMA.search(text) and "\n" not in text and _is_spaced(text, ())):
        return ", ".join(text.split())
    text = _joined(text, form)
    if form == "semicolons":
        parts = (part.strip() for part in _SEMICOLON.split(text))
        text = ", ".join(p if keeps_underscores(p) else p.removesuffix(";") for p in parts if p.strip(";"))
    if MARKER in text:
        text = ", ".join(p for p in (part.strip().strip(",").strip() for part in text.split(MARKER)) if p)
    if not text.isascii() and not re.search("[。！？]", text):
        text = _WIDE.sub(", ", text).strip().removesuffix(",") if _WIDE.search(text) else text
    return text


def _joined(text: str, form: Form) -> str:
    """Lines as one: a comma between tags, a space within a sentence that was broken."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    whole = lines[0] if lines else ""
    for before, line in pairwise(lines):
        broken = form != "lines" and is_prose(before) and "," not in line and line[0].islower() and " " in line
        if _ENDED.search(before) or (broken and not before.endswith(",")):
            whole += " " + line
        else:
            whole = whole.rstrip(",，、 ") + ", " + line
    return whole if len(lines) > 1 else text


def kept_tags(text: str, about: FolderForm, wildcards: bool = False) -> tuple[int, int] | None:
    """How many tags the `|||` of a caption keeps first and last; None where there is none.

    With `wildcards`, commas inside braces separate no tags.
    """
    if MARKER not in text:
        return None
    cut = pieces if wildcards else str.split
    parts = text.split(MARKER)
    counts = [len([p for p in cut(normalize(part, about), ",") if p.strip()]) for part in parts]
    return counts[0], counts[2] if len(counts) > 2 else 0


def readings(text: str) -> set[str]:
    """What a caption file may have been imported as, by the form of its folder."""
    return {text.strip(), *(normalize(text, FolderForm(form)) for form in FORMS)}
