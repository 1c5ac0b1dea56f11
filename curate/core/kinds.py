"""Kinds: what a concept is, by which defaults and advice are chosen. Help reads it, so it imports nothing."""

from typing import Literal

Kind = Literal["character", "object", "style", "clothing", "pose"]
