"""What a pipeline file is written from: the answers, and what a base model's name says of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from curate.core.stage import Kind

Prompting = Literal["natural", "danbooru", "e621"]

_E621 = ("e621", "furry", "yiff", "fluffyrock", "lodestone")
_DANBOORU = (
    "pony",
    "illustrious",
    "noob",
    "animagine",
    "anime",
    "anything",
    "counterfeit",
    "abyssorange",
    "meina",
    "hassaku",
)
_XL = ("xl", "pony", "illustrious", "noob", "animagine")


@dataclass(frozen=True, slots=True)
class Base:
    """What a base model's name, or its folder, says of it."""

    name: str
    architecture: Literal["SD 1.x", "SDXL"]
    prompting: Prompting

    @classmethod
    def of(cls, name: str) -> Base:
        """Reads the architecture off a diffusers folder, else off the name, and the way of prompting off the ancestry."""
        lowered = name.lower()
        index = home(name) / "model_index.json"
        if os.path.isfile(index):  # noqa: PTH113  # unlike Path.is_file it takes any text for an answer of no
            large = "XL" in index.read_text(encoding="utf-8", errors="replace")
        else:
            large = any(mark in lowered for mark in _XL)
        # the toy was made from tags, and nothing else can be said of it
        prompting: Prompting = "danbooru" if name == "tiny" else "natural"
        if any(mark in lowered for mark in _E621):
            prompting = "e621"
        elif any(mark in lowered for mark in _DANBOORU):
            prompting = "danbooru"
        return cls(name, "SDXL" if large else "SD 1.x", prompting)


@dataclass(frozen=True, slots=True)
class ConceptAnswer:
    """A concept folder: the concept's `name` in the pipeline, how many pictures it has, its trigger words."""

    name: str
    pictures: int
    trigger: tuple[str, ...]
    kind: Kind = "object"
    class_word: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything a pipeline is written from.

    `input` stands relative to the pipeline file; `gpu` is GiB, 0 without one.
    """

    input: str
    concepts: tuple[ConceptAnswer, ...]
    output: str = "prepared/"
    base: str = "tiny"
    gpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Given:
    """What the user said beforehand, None where nothing; `triggers` maps a concept to `words, comma-separated`."""

    input: str | None = None
    output: str | None = None
    kind: Kind | None = None
    base: str | None = None
    gpu: float | None = None
    triggers: Mapping[str, str] = field(default_factory=dict[str, str])


def home(path: str) -> Path:
    """The path with ~ replaced; a name that only begins like that stays, where Path.expanduser would raise."""
    return Path(os.path.expanduser(path))  # noqa: PTH111
