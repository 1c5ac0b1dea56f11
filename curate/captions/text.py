"""Captions as text: tags and a sentence out of a caption file, and a record's caption as one line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from sys import intern

from curate.captions.prose import SENTENCE_END, is_prose, sentence_start
from curate.core.record import CaptionStyle, Record
from taggers.underscores import keeps_underscores

_ESCAPED = re.compile(r"\\([()\\])")
_TO_ESCAPE = re.compile(r"([()\\])")
_NOT_SPACES = re.compile("^_|__|_$")
"""Underscores that would be lost as spaces: spaces around a tag are cut off, several become one."""


def parse(
    text: str, trigger: Collection[str] = (), style: CaptionStyle | None = None, *, spaces: bool = True
) -> tuple[tuple[str, ...], str]:
    """Canonical tags in order, without repetition, and the sentence ("" without one).

    What equals a trigger word stays as it stands there. Without a `style` the separator is a comma or a line end,
    or (`spaces`) a space where the text has underscores and no comma. Captions are tags, a sentence, or both;
    prose is told from tags by its form (see `is_prose`).
    """
    style = style or CaptionStyle(escape=True)
    separator = style.separator.strip() or ","
    whole = (
        " ".join(text.split("\n"))
        if separator != ","
        else ", ".join(line for line in text.splitlines() if line.strip())
    )
    words = {t.casefold(): t for t in trigger}
    mark = _separator(whole, style, spaces)
    if mark == ",":  # of most captions nobody needs to know where in the text their tags stand
        parts = [plain for piece in whole.split(",") if (plain := piece.strip())]
    else:
        parts = [p for _, p in _cut(whole, mark)]
    if not any(map(is_prose, parts)):
        return _tags(parts, words, style), ""
    first = next((i for i, p in enumerate(parts) if is_prose(p) and p.casefold() not in words), None)
    if first is None:
        return _tags(parts, words, style), ""
    first = sentence_start(parts, first, words)
    before, prose = parts[:first], whole[_cut(whole, mark)[first][0] :]
    sentence, after = _before_tags(prose, style)
    return _tags([*before, *after], words, style), _clean(sentence)


def parse_imported(record: Record, trigger: Collection[str] | None = None) -> tuple[tuple[str, ...], str]:
    """Tags and sentence of the caption that came with a picture; nothing where none did."""
    trigger = record.trigger if trigger is None else trigger
    text = record.imported or ""
    if record.facts.get("caption_form") != "sentence":
        # the form of its folder was decided where it was read
        return parse(text, trigger, spaces=False)
    words, lead = {t.casefold(): t for t in trigger}, []
    while text and (piece := text.partition(",")[0].strip().casefold()) in words:
        lead, text = [*lead, words[piece]], text.partition(",")[2].strip()
    return tuple(dict.fromkeys(lead)), _clean(text)


def render(record: Record) -> str:
    """The caption of a record as one line without a line end, in the record's style; empty where there is nothing.

    Trigger words come first as the user wrote them, wherever the sentence stands.
    """
    return render_tags(record.tags, record.sentence, record.trigger, record.style)


def render_tags(tags: Sequence[str], sentence: str, trigger: Collection[str], style: CaptionStyle) -> str:
    """The same of canonical tags and a sentence."""
    lead = 0
    while lead < len(tags) and tags[lead] in trigger:
        lead += 1
    written = [_written(tag, trigger, style) for tag in tags]
    sentence = _clean(sentence)
    if style.sentence == "none" or not sentence:
        return _join(written, style)
    if style.sentence == "only":
        return _join([*written[:lead], sentence], style)
    if style.sentence == "before":
        ended = sentence if sentence[-1] in ".!?…\"'”’)" or len(written) == lead else sentence + "."
        rest = _join(written[lead:], style)
        return _join([*written[:lead], f"{ended} {rest}".strip()], style)
    return _join([*written, sentence], style)


@lru_cache(maxsize=1 << 14)
def canonical(tag: str) -> str:
    """A tag with underscores, no escapes and no surrounding space."""
    return "_".join(_ESCAPED.sub(r"\1", tag).split())


@lru_cache(maxsize=1 << 14)
def spaced(tag: str) -> str:
    """A canonical tag with spaces, but for tags whose underscores are part of the word (^_^, score_9)."""
    return tag if keeps_underscores(tag) or _NOT_SPACES.search(tag) else tag.replace("_", " ")


def _written(tag: str, trigger: Collection[str], style: CaptionStyle) -> str:
    return tag if tag in trigger else _as_written(tag, style.underscores == "spaces", style.escape)


@lru_cache(maxsize=1 << 14)
def _as_written(tag: str, spaces: bool, escape: bool) -> str:
    text = spaced(tag) if spaces else tag
    return _TO_ESCAPE.sub(r"\\\1", text) if escape else text


def shown(tag: str, trigger: Collection[str], style: CaptionStyle) -> str:
    """A tag as its caption has it, but without the backslashes that prompts need."""
    return _written(tag, trigger, dataclasses.replace(style, escape=False))


def _join(parts: Sequence[str], style: CaptionStyle) -> str:
    return style.separator.join(p for p in map(_clean, parts) if p).strip()


@lru_cache(maxsize=1 << 14)
def _clean(sentence: str) -> str:
    return " ".join(sentence.split())


def _cut(text: str, mark: str) -> list[tuple[int, str]]:
    """The pieces between separators, blank ones left out, each with its place in the text; `mark` as `_separator`'s."""
    pieces: list[tuple[int, str]] = []
    start = 0
    if mark == ",":
        for piece in text.split(","):
            if plain := piece.strip():
                pieces.append((start + piece.index(plain), plain))
            start += len(piece) + 1
        return pieces
    for end, following in [
        *((m.start(), m.end()) for m in re.finditer(mark, text)),
        (len(text), 0),
    ]:
        piece = text[start:end]
        if following == len(text) and keeps_underscores(text[start:].strip()):
            # the last mark of "dog; ;_;" is part of the face
            piece = text[start:]
        if piece.strip():
            pieces.append((start + len(piece) - len(piece.lstrip()), piece.strip()))
        start = following
    return pieces


def _separator(text: str, style: CaptionStyle, spaces: bool) -> str:
    mark = style.separator.strip() or ","
    if mark != ",":
        # other marks are part of faces such as <|>_<|> and ;) as well: only with their spaces they separate
        before, after = (r"\s+" if s else "" for s in (style.separator[:1].isspace(), style.separator[-1:].isspace()))
        return before + re.escape(mark) + (f"(?:{after}|$)" if after else "")
    words = text.split() if spaces and "," not in text else []
    booru = len(words) > 1 and any("_" in w.strip("_") and not keeps_underscores(w) for w in words)
    return r"\s+" if booru and not SENTENCE_END.search(text + " ") else ","


def _tags(parts: Sequence[str], words: dict[str, str], style: CaptionStyle) -> tuple[str, ...]:
    if not words:
        return tuple(dict.fromkeys([_tag(part, style.escape) for part in parts]))
    pairs = tuple(words.items())
    return tuple(dict.fromkeys([_tag_or_word(part, style.escape, pairs) for part in parts]))


@lru_cache(maxsize=1 << 14)
def _tag_or_word(part: str, escape: bool, words: tuple[tuple[str, str], ...]) -> str:
    """The trigger word, of those with their casefolded form, that a part is; else the tag."""
    forms = [part.casefold(), *([_ESCAPED.sub(r"\1", part).casefold()] if escape else [])]
    return next((word for form in forms for plain, word in words if plain == form), "") or _tag(part, escape)


@lru_cache(maxsize=1 << 14)
def _tag(part: str, escape: bool) -> str:
    """A tag as it is kept, one text for all captions: thousands of them hold the same few hundred tags."""
    return intern("_".join((_ESCAPED.sub(r"\1", part) if escape else part).split()))


def _before_tags(prose: str, style: CaptionStyle) -> tuple[str, list[str]]:
    """Splits "A sentence. tag, tag": what follows the last sentence end is tags where nothing in it is prose."""
    ends = list(SENTENCE_END.finditer(prose))
    if ends:
        behind = prose[ends[-1].end() :]
        rest = [p for _, p in _cut(behind, _separator(behind, style, spaces=True))]
        if (
            rest
            and rest[0][0] == rest[0][0].lower()
            and not any(is_prose(p) or (" " in p and p[-1] in ".!?") for p in rest)
        ):
            return prose[: ends[-1].end()], rest
    return prose, []
