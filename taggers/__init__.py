"""Taggers: pictures in, scored tags out. Nothing heavy is imported before a tagger is opened.

with taggers.find("wd-swinv2-tagger-v3").open() as tagger:
    scores = tagger([picture])        # uint8 H×W×3 RGB -> {tag: (score, category)}
"""

from taggers.base import OpenTagger, Picture, Scored, Source, Tagger, Vocabulary
from taggers.catalogue import AtHand, families, find, models, names, thresholds, vocabulary

__all__ = [
    "AtHand",
    "OpenTagger",
    "Picture",
    "Scored",
    "Source",
    "Tagger",
    "Vocabulary",
    "families",
    "find",
    "models",
    "names",
    "thresholds",
    "vocabulary",
]
