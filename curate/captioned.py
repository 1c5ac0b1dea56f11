"""Captioned: a picture and its caption as it stands in its file, as a record that edits and the review page work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from curate import captions, folder
from curate.captions import MARKER, Caption, FolderForm
from curate.captions.form import Form
from curate.core.record import CaptionStyle, Image, Record, changed
from curate.core.written import Written

_MARKS = ("\ue000", "\ue001")
"""What stands for the first and the second `|||` of a caption among its tags."""
_SEPARATORS = {"spaces": " ", "lines": "\n", "semicolons": "; "}
_NO_IMAGE = Image("")


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture and its caption file as it is now. `hand` says that a person edited it one by one.

    path      of the picture
    file      of the caption, there or not
    text      as one line, with commas between tags where another program wrote it
    raw       as it stands in the file
    encoding  the codec that the file was read with
    edited    other than curate generated it, one by one or in bulk
    form      how the captions of its folder are written
    """

    path: str
    concept: str
    file: str
    text: str
    record: Record
    hand: bool
    raw: str = ""
    encoding: str = ""
    edited: bool = False
    form: Form = "tags"

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags in caption order."""
        tags = self.record.tags
        if _MARKS[0] not in tags and _MARKS[1] not in tags:
            return tags
        return tuple(tag for tag in tags if tag not in _MARKS)

    @property
    def marks(self) -> tuple[str, ...]:
        """What stands among the record's tags for the `|||` of the caption."""
        return tuple(mark for mark in _MARKS if mark in self.record.tags)

    @property
    def fixed(self) -> frozenset[str]:
        """What no bulk edit takes away: trigger words, and the marks that keep tags in place."""
        return frozenset((*self.record.trigger, *_MARKS))

    def rendered(self, tags: Sequence[str]) -> str:
        """The caption with these tags, in the form in which it is written."""
        record, separator = self.record, self.record.style.separator
        text = captions.render_tags(tags, record.sentence, self.fixed, record.style)
        if _MARKS[0] not in text and _MARKS[1] not in text:
            return text
        for mark in _MARKS:
            text = text.replace(f"{separator}{mark}{separator}", f" {MARKER} ").replace(mark, MARKER)
        return text


def of_ours(
    path: str, concept: str, file: str, text: str | None, before: Record, row: Written, bulk: str | None
) -> Captioned:
    """A picture that curate wrote, with the text of its caption file; None where there is no file.

    `before` is the record of its row in the ledger, `bulk` what the last bulk edit wrote.
    """
    raw = text or ""
    tags, sentence = captions.parse(raw, before.trigger, before.style)
    record = changed(before, {"tags": tags, "sentence": sentence, "edited": None})
    edited = text is not None and not folder.same_text(row.caption, raw)
    hand = edited and (bulk is None or not folder.same_text(bulk, raw))
    return Captioned(path, concept, file, raw, record, hand, raw, edited=edited)


def of_another_program(
    key: str, path: str, concept: str, file: str, caption: Caption | None, form: FolderForm, trigger: tuple[str, ...]
) -> Captioned:
    """A picture that curate did not write, with its caption, None without one, and the form of its folder's captions.

    `trigger` are the words of its folder's name.
    """
    raw = caption.raw if caption else ""
    style = _style(raw, caption, form)
    if caption is None:
        record = Record(key, concept, "", _NO_IMAGE, trigger=trigger, style=style)
        return Captioned(path, concept, file, "", record, False, form=form.form)
    if form.form == "sentence":
        facts = {"caption_form": "sentence"}
        record = Record(key, concept, "", _NO_IMAGE, facts=facts, trigger=trigger, imported=caption.text, style=style)
        tags, sentence = captions.parse_imported(record)
        record = changed(record, {"tags": tags, "sentence": sentence})
    else:
        text = captions.normalize(_with_marks(raw), form) if MARKER in raw else caption.text
        as_read = _caption_style(", ", style.underscores, style.escape)
        tags, sentence = captions.parse(text, trigger, as_read, spaces=False)
        record = Record(key, concept, "", _NO_IMAGE, trigger=trigger, tags=tags, sentence=sentence, style=style)
    return Captioned(path, concept, file, caption.text, record, False, raw, caption.encoding, form=form.form)


def _with_marks(raw: str) -> str:
    """Each `|||` as a tag of its own; there may be two."""
    for mark in _MARKS:
        raw = raw.replace(MARKER, f", {mark}, ", 1)
    return raw


def _style(raw: str, caption: Caption | None, form: FolderForm) -> CaptionStyle:
    """The style in which a caption of another program is written."""
    escape = "\\(" in raw
    split = form.mixed and caption is not None and "," in caption.text and "," not in raw
    if form.form == "spaces" or split:
        return _caption_style(" ", "keep", escape)
    if form.form in _SEPARATORS:
        return _caption_style(_SEPARATORS[form.form], "spaces" if " " in raw else "keep", escape)
    spaced = " " in raw.replace(", ", ",")
    return _caption_style(", " if ", " in raw or "," not in raw else ",", "spaces" if spaced else "keep", escape)


@cache
def _caption_style(separator: str, underscores: Literal["spaces", "keep"], escape: bool) -> CaptionStyle:
    """A style; thousands of captions share it."""
    return CaptionStyle(separator, underscores, escape)
