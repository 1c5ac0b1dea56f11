"""Edits: what the page asks for, as new texts of captions."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from curate import captions
from curate.captioned import Captioned
from curate.captions import MARKER
from curate.errors import InputError
from curate.report.text import listed
from curate.tags_edit import Edit

Operation = Literal["add", "remove", "replace", "move", "set", "sentence", "text"]


class EditRequest(BaseModel):
    """The body of POST /api/edit.

    position  among all tags of the caption, as the page shows them; None is the end
    expected  the text of each caption that the page showed: where the file says something else, nothing is changed
    preview   only answer what would change
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    ids: list[str] = Field(min_length=1)
    operation: Operation
    tags: list[str] = []
    instead: list[str] = Field(default=[], alias="with")
    position: int | None = None
    text: str = ""
    expected: dict[str, str] = {}
    preview: bool = False


def edit_of(request: EditRequest) -> Edit:
    """What the request does to a caption. Raises InputError for tags that no caption can hold."""
    for tag in (*request.tags, *request.instead):
        _check(tag)
    if request.operation in ("add", "remove", "replace", "move") and not request.tags:
        raise InputError(f"{request.operation} takes at least one tag")
    if request.operation == "sentence":
        return lambda one: _with_sentence(one, request.text)
    if request.operation == "text":
        return lambda one: _with_text(one, request.text)
    change = _CHANGES[request.operation]

    def edit(one: Captioned) -> str | None:
        before = list(one.tags)
        after = list(dict.fromkeys(change(one, before, request)))
        return None if after == before else _with_tags(one, after)

    return edit


def summary(request: EditRequest, ids: Sequence[str]) -> str:
    """The request as the journal names it, with the pictures whose captions change."""
    what = ", ".join(request.tags[:3]) + (" …" if len(request.tags) > 3 else "")
    if request.operation == "replace":
        what += f" = {', '.join(request.instead[:3])}"
    return titled(" ".join((_VERBS.get(request.operation, request.operation), what)).strip(), ids)


def titled(what: str, ids: Sequence[str]) -> str:
    """A change of the page as the journal names it."""
    return f"review ({what}: {listed(ids)})"


_VERBS: Mapping[Operation, str] = {"set": "tags", "text": "caption file"}


_Change = Callable[[Captioned, list[str], EditRequest], Sequence[str]]


def _add(one: Captioned, tags: list[str], request: EditRequest) -> Sequence[str]:
    present = {tag.casefold() for tag in tags}
    new = [tag for tag in _own(one, request.tags) if tag.casefold() not in present]
    return _put(tags, new, request.position)


def _remove(one: Captioned, tags: list[str], request: EditRequest) -> Sequence[str]:
    unwanted = _unwanted(one, request)
    return [tag for tag in tags if not unwanted(tag)]


def _replace(one: Captioned, tags: list[str], request: EditRequest) -> Sequence[str]:
    unwanted = _unwanted(one, request)
    first = next((i for i, tag in enumerate(tags) if unwanted(tag)), None)
    if first is None:
        return tags
    new = _own(one, request.instead)
    before, after = tags[:first], [tag for tag in tags[first:] if not unwanted(tag)]
    return [*before, *new, *after]


def _move(one: Captioned, tags: list[str], request: EditRequest) -> Sequence[str]:
    wanted = [tag.casefold() for tag in _own(one, request.tags)]
    moved = sorted((tag for tag in tags if tag.casefold() in wanted), key=lambda tag: wanted.index(tag.casefold()))
    return _put([tag for tag in tags if tag not in moved], moved, request.position)


def _set(one: Captioned, tags: list[str], request: EditRequest) -> Sequence[str]:
    return _own(one, request.tags)


_CHANGES: dict[Operation, _Change] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "set": _set,
}


def _unwanted(one: Captioned, request: EditRequest) -> Callable[[str], bool]:
    """Whether a tag is one of those asked for, in any case; trigger words stay."""
    wanted = {tag.casefold() for tag in _own(one, request.tags)}
    return lambda tag: tag.casefold() in wanted and tag not in one.record.trigger


def _put(tags: Sequence[str], new: Sequence[str], position: int | None) -> Sequence[str]:
    at = len(tags) if position is None else max(0, position)
    return [*tags[:at], *new, *tags[at:]]


def _own(one: Captioned, tags: Sequence[str]) -> list[str]:
    """Tags as the caption holds them: trigger words as they are written, others canonical."""
    words = {captions.canonical(word): word for word in one.record.trigger}
    mark = one.record.style.separator.strip()
    torn = next((tag for tag in tags if mark and mark in tag), None)
    if torn is not None:
        raise InputError(f"{torn!r} is not a tag here: the captions of its folder separate tags with {mark}")
    return [words.get(tag, tag) for tag in dict.fromkeys(map(captions.canonical, tags))]


def _with_tags(one: Captioned, tags: Sequence[str]) -> str:
    """The caption with these tags; a `|||` stays behind the tag that it followed, or first."""
    result = list(tags)
    for mark in one.marks:
        before = one.record.tags[: one.record.tags.index(mark)]
        places = [result.index(tag) + 1 for tag in before if tag in result]
        result.insert(max(places, default=0), mark)
    return one.rendered(result)


def _with_sentence(one: Captioned, text: str) -> str | None:
    sentence = _line(text)
    if one.record.style.sentence == "none" and sentence:
        raise InputError("captions of this folder have no sentences", "set sentence under `captions` in the pipeline")
    if sentence == one.record.sentence:
        return None
    return dataclasses.replace(one, record=dataclasses.replace(one.record, sentence=sentence)).rendered(one.record.tags)


def _with_text(one: Captioned, text: str) -> str | None:
    """The caption as the person typed it; only captions of one tag a line keep their lines."""
    typed = text.strip() if one.form == "lines" else _line(text)
    if any(_is_control(letter) for letter in typed.replace("\n", "")):
        raise InputError("a caption cannot hold control characters")
    return None if typed == one.raw else typed


def _line(text: str) -> str:
    line = " ".join(text.split())
    if any(map(_is_control, line)):
        raise InputError("a caption cannot hold control characters")
    return line


def _check(tag: str) -> None:
    """Raises InputError for what would tear a caption apart or make its file unreadable."""
    plain = captions.canonical(tag)
    if not plain or "," in plain or MARKER in plain:
        raise InputError(f"{tag!r} is not a tag", "give each tag on its own, without commas")
    if any(map(_is_control, plain)):
        raise InputError(f"{tag!r} is not a tag: it has control characters in it")


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs")
