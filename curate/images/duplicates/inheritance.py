"""What a picture that stays takes over from copies that are set aside: captions, and a person's edits."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator

from curate import captions
from curate.core.record import Record


def inherit(kept: Record, copy: Record, *, same_content: bool) -> tuple[Record, list[str]]:
    """`kept` with what `copy` alone knows, and what a person should read about it.

    The kept picture's own caption wins. A person's edit comes before any caption that nobody edited. Tags are joined
    where both show the same content; a caption of a part says what the whole is only where the whole has none.
    """
    lines: list[str] = []
    if copy.edited is not None:
        kept, line = _with_edit(kept, copy)
        lines += [line] if line else []
    if copy.imported is not None and copy.imported.strip():
        kept, line = _with_caption(kept, copy, same_content)
        lines += [line] if line else []
    return kept, lines


def _with_edit(kept: Record, copy: Record) -> tuple[Record, str]:
    text = _under(kept, copy, copy.edited or "")
    if kept.edited is None:
        return dataclasses.replace(kept, edited=text), f"takes over the caption edited by hand of {copy.key}"
    if kept.edited.strip() in (text.strip(), (copy.edited or "").strip()):
        return kept, ""
    return kept, f'keeps its own edited caption; that of {copy.key} was "{_short(copy.edited or "")}"'


def _with_caption(kept: Record, copy: Record, same_content: bool) -> tuple[Record, str]:
    tags = tuple(_tags(kept, copy))
    if kept.imported is None or not kept.imported.strip():
        text = copy.imported if kept.concept == copy.concept else _text(tags, copy.sentence)
        lead = tuple(t for t in kept.tags if t in kept.trigger and t not in tags)
        changed = dataclasses.replace(kept, imported=text, tags=lead + tags, sentence=copy.sentence)
        return changed, f"takes over the caption of {copy.key}"
    new = tuple(t for t in tags if t not in kept.tags)
    sentence = kept.sentence or copy.sentence
    if not new and sentence == kept.sentence:
        return kept, ""
    all_tags = kept.tags + new
    own = captions.parse(kept.imported, kept.trigger)[0]
    text = _text(own + tuple(t for t in tags if t not in own), sentence)
    if same_content and captions.parse(text, kept.trigger) == (own + tuple(t for t in tags if t not in own), sentence):
        changed = dataclasses.replace(kept, imported=text, tags=all_tags, sentence=sentence)
        return changed, f"adds to its caption what that of {copy.key} says: {_short(_text(new, ''))}"
    return kept, f'keeps its own caption; that of {copy.key} was "{_short(copy.imported or "")}"'


def _tags(kept: Record, copy: Record) -> Iterator[str]:
    """The copy's tags without the trigger words of its concept, which are not those of the kept picture."""
    foreign = set(copy.trigger) - set(kept.trigger)
    foreign |= {captions.canonical(word) for word in foreign}
    return (tag for tag in copy.tags if tag not in foreign)


def _under(kept: Record, copy: Record, text: str) -> str:
    """An edited caption with the kept picture's trigger words where its own stand first."""
    lead, new = ", ".join(copy.trigger), ", ".join(kept.trigger)
    if not lead or lead == new or not text.startswith(lead):
        return text
    rest = text[len(lead) :]
    return new + rest if not rest or rest.startswith(",") else text


def _text(tags: tuple[str, ...], sentence: str) -> str:
    return ", ".join((*tags, *([sentence] if sentence else [])))


def _short(text: str) -> str:
    return textwrap.shorten(text, 200, placeholder=" …")
