"""Screening: whether a picture is sexual and shows an apparently under-age subject; such pictures are always set aside.

The lists hold tags of the two sites that say either of the two. There is no switch here on purpose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from taggers import prose
from taggers.base import Scored

YOUNG_THRESHOLD = 0.25
"""A tag of the first list counts from this score, whatever the user's own thresholds are."""

SEXUAL_THRESHOLD = 0.35
"""A tag of the second list counts from this score where the model gives no rating."""

SEXUAL_CERTAIN = 0.6
"""… and from this one where it gives a rating that says otherwise."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


YOUNG: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "danbooru": _words(
            """
            loli shota child female_child male_child toddler baby infant aged_down underage preteen
            kindergarten_uniform elementary_school_student elementary_school_uniform if_they_mated_child
            children multiple_children kid young_girl young_boy little_girl little_boy toddlercon lolicon
            shotacon randoseru
            """
        ),
        "e621": _words(
            """
            young cub child toddler baby infant kid underage preteen adolescent loli shota aged_down
            young_anthro young_female young_male young_human young_humanoid young_feral young_taur
            young_ambiguous young_intersex young_(lore) child_(lore) toddler_(lore) baby_(lore)
            adolescent_(lore) underage_(lore) foal_(my_little_pony) kitten_(young) puppy_(young) lolicon
            shotacon teenager_(lore) teenager
            """
        ),
    }
)

SEXUAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "danbooru": _words(
            """
            nude completely_nude naked topless bottomless nipples areolae pussy penis testicles anus clitoris
            pubic_hair erection sex hetero yuri_sex vaginal anal oral fellatio cunnilingus irrumatio handjob
            footjob paizuri masturbation fingering cum ejaculation orgasm penetration sex_toy dildo vibrator
            gangbang rape groping uncensored censored_genitals mosaic_censoring bar_censor spread_pussy
            spread_legs_nude sex_from_behind missionary cowgirl_position doggystyle nsfw hentai porn explicit
            questionable rating:explicit rating:questionable rating_explicit rating_questionable
            """
        ),
        "e621": _words(
            """
            genitals penis pussy vulva vagina anus balls clitoris erection sex penetration vaginal_penetration
            anal_penetration oral oral_penetration fellatio cunnilingus masturbation handjob fingering cum
            ejaculation orgasm knot sheath nipples nude sex_toy dildo vibrator genital_fluids penile vaginal
            anal rape group_sex from_behind_position nsfw porn explicit questionable rating:explicit
            rating:questionable rating_explicit rating_questionable
            """
        ),
    }
)

_RATED = ("questionable", "explicit")


def listed(kind: Mapping[str, frozenset[str]], vocabulary: str = "unknown") -> frozenset[str]:
    """One vocabulary's list; all lists together where the vocabulary is not known."""
    return kind.get(vocabulary) or frozenset[str]().union(*kind.values())


def screen(
    scores: Mapping[str, Scored],
    tags: Collection[str] = (),
    sentence: str = "",
    vocabularies: Mapping[str, str] | None = None,
) -> str:
    """Why the picture is set aside, or "" where it is not.

    `scores` are raw, by model; `vocabularies` says whose tags a model speaks. `tags` and `sentence` come from a
    caption and count as certain. A finding of one source and a finding of another add up.
    """
    speaks = vocabularies or {}
    young = _first(_young(model, found, speaks.get(model, "unknown")) for model, found in scores.items())
    sexual = _first(_sexual(model, found, speaks.get(model, "unknown")) for model, found in scores.items())
    young = young or _in_caption(tags, sentence, YOUNG, "young")
    sexual = sexual or _in_caption(tags, sentence, SEXUAL, "sexual")
    return f"screened: sexual ({sexual}) with an apparently under-age subject ({young})" if young and sexual else ""


def _young(model: str, scores: Scored, vocabulary: str) -> str:
    names = listed(YOUNG, vocabulary) & scores.keys()
    found = max(((scores[t][0], t) for t in names), default=(0.0, ""))
    return f"{found[1]} {found[0]:.2f} by {model}" if found[0] >= YOUNG_THRESHOLD else ""


def _sexual(model: str, scores: Scored, vocabulary: str) -> str:
    ratings = {t: s for t, (s, category) in scores.items() if category == "rating"}
    if ratings:
        best = max(ratings, key=lambda t: ratings[t])
        if best in _RATED or sum(ratings.get(r, 0.0) for r in _RATED) >= 0.5:
            named = best if best in _RATED else max(_RATED, key=lambda r: ratings.get(r, 0.0))
            return f"rating {named} {ratings[named]:.2f} by {model}"
    limit = SEXUAL_CERTAIN if ratings else SEXUAL_THRESHOLD
    names = {t for t in listed(SEXUAL, vocabulary) & scores.keys() if scores[t][1] != "rating"}
    found = max(((scores[t][0], t) for t in names), default=(0.0, ""))
    return f"{found[1]} {found[0]:.2f} by {model}" if found[0] >= limit else ""


def _in_caption(tags: Collection[str], sentence: str, table: Mapping[str, frozenset[str]], kind: prose.Kind) -> str:
    """What in a caption says so: a tag of the lists, a phrase among the tags, or the sentence."""
    plain = {prose.plain(t) for t in tags}
    found = sorted(plain & listed(table)) or sorted(t for t in plain if prose.in_tag(t, kind))
    said = found[0] if found else prose.in_sentence(sentence, kind)
    return f"{said} in the caption" if said else ""


def _first(found: Iterable[str]) -> str:
    return next((f for f in found if f), "")
