"""The five kinds of prompts by which a LoRA is judged, made of a concept's captions, its trigger and its class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from curate import names
from curate.core.concept import Concept
from curate.core.digests import text_digest
from curate.sampling.emphasis import escape, plain
from curate.train.data.dataset import Picture

Kind = Literal["train", "trigger", "alter", "style", "agnostic"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TITLES: Mapping[Kind, str] = {
    "train": "training captions",
    "trigger": "the trigger alone",
    "alter": "other content",
    "style": "other style",
    "agnostic": "without the trigger",
}
TEMPLATED: tuple[Kind, ...] = KINDS[1:]
"""Kinds whose prompts are made of templates; those of `train` are the captions."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a concept is called.

    folder      of its pictures, N_words
    trigger     its words in prompts
    class_word  what it is to somebody who does not know the trigger; "" where nobody knows
    """

    folder: str
    trigger: str
    class_word: str = ""

    @property
    def name(self) -> str:
        """The folder without its number of repeats."""
        return names.folder_name(self.folder).name


@dataclass(frozen=True, slots=True)
class EvaluationPrompt:
    """A prompt, and the text that its pictures should show: CLIP knows the class, the trigger it does not.

    `text` may have weights; captions and triggers have none, so that their brackets are escaped. `shows` has no syntax.
    """

    kind: Kind
    text: str
    shows: str


def subject(folder: str, concepts: Mapping[str, Concept]) -> Subject:
    """The concept of a prepared folder; `concepts` are what the user said of them."""
    words = names.folder_name(folder).words or folder
    for name, concept in concepts.items():
        trigger = ", ".join(concept.trigger) or name
        if names.safe(trigger) == names.safe(words):
            return Subject(folder, trigger, concept.class_word or _class_of(trigger))
    return Subject(folder, words, _class_of(words))


def _class_of(trigger: str) -> str:
    """The class in a trigger such as "zwx dog": its last word, where there are several (kohya's convention)."""
    words = trigger.rpartition(",")[2].split()
    return words[-1] if len(words) > 1 else ""


def prompts(
    about: Subject, pictures: Sequence[Picture], templates: Mapping[Kind, Sequence[str]], most: int
) -> Iterator[EvaluationPrompt]:
    """At most so many prompts of each kind.

    Captions are taken in an order that their pictures' bytes decide, templates in their own. Templates that name a
    {class} are left out where nobody knows it.
    """
    ranked = sorted(pictures, key=lambda p: text_digest("evaluation", p.digest, p.path.name))
    for caption in list(dict.fromkeys(" ".join(p.caption.split()) for p in ranked))[:most]:
        yield EvaluationPrompt("train", escape(caption), _without_trigger(caption, about))
    for kind in TEMPLATED:
        known = [t for t in templates[kind] if about.class_word or "{class}" not in t]
        for template in known[:most]:
            text = _filled(template, escape(about.trigger), escape(about.class_word))
            shows = _filled(plain(template), about.trigger, about.class_word)
            yield EvaluationPrompt(kind, text, _without_trigger(shows, about))


def _filled(template: str, trigger: str, class_word: str) -> str:
    return template.replace("{class}", class_word).replace("{trigger}", trigger)


def _without_trigger(text: str, about: Subject) -> str:
    """A prompt in words that are known: the class instead of the trigger, or nothing."""
    shown = text
    for words in (about.trigger, *names.words(about.trigger)):
        shown = re.sub(rf"(?<!\w){re.escape(words)}(?!\w)", about.class_word, shown)
    tags = [part.strip() for part in shown.split(",")]
    return ", ".join(dict.fromkeys(tag for tag in tags if tag)) or about.class_word or text
