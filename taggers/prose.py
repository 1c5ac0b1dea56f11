"""Prose: what the words of a caption say of age and sex, beyond the tags of the sites; for the screening alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Kind = Literal["young", "sexual"]

_YOUNG = """
    adolescents? babies baby child children cubs? infants? kids? lolicon loli minors preadolescents? prepubescent
    preschoolers? preteens? schoolboys? schoolchildren schoolgirls? shota shotacon teens? teenage teenagers? toddlers?
    tweens? under_age underaged? youngsters? little_boys? little_girls? small_boys? small_girls? young_boys?
    young_girls? (?:[1-9]|1[0-7])_?(?:years?_old|yrs?_old|yo|years_of_age)
"""

_SEXUAL = """
    anal anus areolae blowjob bottomless clitoris coitus copulat(?:ing|ion) cum cunnilingus dildo ejaculat(?:ing|ion)
    erection erotic explicit fellatio footjob gangbang genital genitalia genitals grop(?:ed|ing) handjob hentai
    intercourse masturbat(?:es|ing|ion) mating naked nipples nsfw nude nudity orgasm paizuri penetrat(?:ed|ing|ion)
    penis porn pornograph(?:ic|y) pubic_hair pussy raped? semen sex sexual sexually testicles topless unclothed
    uncensored undressed vagina vaginal vibrator vulva
"""
"""Jargon of the sites that means something else in prose (knot, balls, sheath, oral) is left out."""

_ADULTS = r"_young_(?=(?:adult|adults|couple|ladies|lady|man|men|woman|women)_)"
"""Where "young" speaks of adults."""


def _one_of(words: str) -> str:
    return f"_({'|'.join(words.split())})_"


_SENTENCE = {"young": re.compile(_one_of(_YOUNG + " young")), "sexual": re.compile(_one_of(_SEXUAL))}
_PHRASE = {"young": re.compile(_one_of(_YOUNG) + "$"), "sexual": _SENTENCE["sexual"]}
_GROWN = re.compile(_ADULTS)
_WEIGHTED = re.compile(r"[\[({]+(.*?)(?::[\d.]+)?[\])}]+")
_SHORT = {
    f"rating{mark}{letter}": f"rating:{word}"
    for mark in ":_"
    for letter, word in (("q", "questionable"), ("e", "explicit"))
}


@lru_cache(maxsize=1 << 16)
def plain(tag: str) -> str:
    """A tag of a caption file as the sites write it, without brackets and weights of prompts: `(nude:1.2)` is nude."""
    found = "_".join(tag.casefold().split()).replace(":_", ":")
    weighted = _WEIGHTED.fullmatch(found)
    found = weighted[1] if weighted else found
    return _SHORT.get(found, found)


@lru_cache(maxsize=1 << 16)
def in_tag(tag: str, kind: Kind) -> bool:
    """Whether a tag of several words says it: "two nude kids" says both, "child's drawing" and "kid icarus" neither.

    Who is shown stands last in English, so only the last words speak of the young; what is sexual stands anywhere.
    """
    return bool(_PHRASE[kind].search("_" + re.sub(r"[^a-z0-9']+", "_", tag.casefold()).strip("_") + "_"))


def in_sentence(sentence: str, kind: Kind) -> str:
    """The whole words of a sentence that say it, "" where none do."""
    if not sentence:
        return ""
    words = "_" + re.sub(r"[^a-z0-9]+", "_", sentence.casefold()) + "_"
    found = _SENTENCE[kind].search(_GROWN.sub("_", words) if kind == "young" else words)
    return found[1].replace("_", " ") if found else ""
