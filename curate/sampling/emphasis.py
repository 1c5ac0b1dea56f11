"""Weights in prompts, as A1111 writes them: `(word)`, `(word:1.2)`, `[word]`, nested; `\\(` is a plain parenthesis.

A weight multiplies the text encoder's states of a word; then all states are scaled so that their mean is as before
(A1111's emphasis "Original"; diffusers' long-prompt pipeline and kohya's sample pictures do the same).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from curate.diffusion.base import Backbone
    from curate.diffusion.text.caption_encoder import CaptionEncoder
    from curate.diffusion.text.clip_text import ClipText

Emphasis = Literal["original", "no_norm", "none"]
TITLES: dict[str, str] = dict(zip(get_args(Emphasis), ("Original", "No norm", "None"), strict=True))
"""What A1111 calls them."""
STEP = 1.1
SHOWN = 60
"""Letters of a prompt in a warning."""
_SYNTAX = re.compile(r"[()\[\]\\]")
_MARK = re.compile(r"\\([()\[\]\\])|:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)|([()\[\]])")
_CLOSED_BY = {")": "(", "]": "["}
_BEYOND = {
    "[a:b:0.5]": re.compile(r"(?<!\\)\[[^\[\]]*:\s*[\d.]+\s*\]"),
    "[a|b]": re.compile(r"(?<!\\)\[[^\[\]]*\|[^\[\]]*\]"),
    "BREAK": re.compile(r"\bBREAK\b"),
    "AND": re.compile(r"\bAND\b"),
    "<lora:…>": re.compile(r"<(?:lora|lyco|hypernet):[^>]*>"),
    "embedding:…": re.compile(r"\bembedding:\S"),
}
"""What other programs read in a prompt, and this one does not."""

Part = tuple[str, float]


def has_syntax(prompt: str) -> bool:
    """Whether a prompt has a parenthesis, a bracket or a backslash."""
    return bool(_SYNTAX.search(prompt))


def parts(prompt: str, emphasis: Emphasis = "original") -> list[Part]:
    """The words of a prompt with their weights, in order. What is not closed counts to the end."""
    if emphasis == "none":
        return [(prompt, 1.0)]
    found: list[Part] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}
    end = 0
    for mark in _MARK.finditer(prompt):
        found.append((prompt[end : mark.start()], 1.0))
        end = mark.end()
        escaped, weight, bracket = mark.groups()
        opener = "(" if weight else _CLOSED_BY.get(bracket, "")
        if bracket in opened:
            opened[bracket].append(len(found))
        elif opener and opened[opener]:
            _multiply(found, opened[opener].pop(), float(weight) if weight else _factor(opener))
        else:
            found.append((escaped or mark[0], 1.0))
    found.append((prompt[end:], 1.0))
    for opener, starts in opened.items():
        for start in starts:
            _multiply(found, start, _factor(opener))
    runs = groupby((part for part in found if part[0]), key=lambda part: part[1])
    return [("".join(text for text, _ in run), weight) for weight, run in runs] or [("", 1.0)]


def plain(prompt: str) -> str:
    """The words of a prompt alone."""
    return "".join(text for text, _ in parts(prompt))


def escape(text: str) -> str:
    """A prompt that means exactly this text."""
    return _SYNTAX.sub(r"\\\g<0>", text)


def beyond(prompt: str) -> list[str]:
    """Syntax of other programs in a prompt that is not read here, but taken as words."""
    return [title for title, pattern in _BEYOND.items() if pattern.search(prompt)]


def cautions(backbone: Backbone, prompt: str, emphasis: Emphasis = "original") -> Iterator[str]:
    """Warnings about a prompt: what of it is cut, and what is not read."""
    if backbone.captions is not None:
        yield from kept_cautions(backbone.family.title, backbone.captions, prompt)
        return
    encoder = backbone.texts[0]
    shown = textwrap.shorten(prompt, SHOWN, placeholder=" …")
    if (count := len(words(encoder, prompt, emphasis))) > encoder.max_tokens:
        yield f"a prompt of {count} tokens is cut to {encoder.max_tokens}: {shown}"
    if odd := beyond(prompt):
        yield f"{', '.join(odd)} is not supported and is read as words: {shown}"


def negative_caution(backbone: Backbone, prompt: str) -> str:
    """A warning about a negative prompt of a family that predicts once, the guidance told; "" for others."""
    if not backbone.family.embedded_guidance:
        return ""
    shown = textwrap.shorten(prompt, SHOWN, placeholder=" …")
    return f"negative prompts have no effect on {backbone.family.title}: {shown}"


def kept_cautions(title: str, encoder: CaptionEncoder, prompt: str) -> Iterator[str]:
    """The same for a family whose encoder takes no weights: brackets are read, and their weights are left out."""
    shown = textwrap.shorten(prompt, SHOWN, placeholder=" …")
    if (count := encoder.count(plain(prompt))) > encoder.limit:
        yield f"a prompt of {count} tokens is cut to {encoder.limit}: {shown}"
    if any(weight != 1 for _, weight in parts(prompt)):
        yield f"weights in prompts have no effect on {title}: {shown}"
    if odd := beyond(prompt):
        yield f"{', '.join(odd)} is not supported and is read as words: {shown}"


def words(encoder: ClipText, prompt: str, emphasis: Emphasis = "original") -> list[tuple[int, float]]:
    """The token ids of a prompt and their weights, without start and end, however many there are."""
    return [(token, weight) for text, weight in parts(prompt, emphasis) for token in encoder.words(text)]


def _multiply(found: list[Part], start: int, factor: float) -> None:
    found[start:] = [(text, weight * factor) for text, weight in found[start:]]


def _factor(opener: str) -> float:
    return STEP if opener == "(" else 1 / STEP
