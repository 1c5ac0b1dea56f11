"""What a pipeline file is written from: the answers, and what was said beforehand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from curate.core.kinds import Kind


@dataclass(frozen=True, slots=True)
class ConceptAnswer:
    """A concept folder: the concept's `name` in the pipeline, its pictures and captions, its trigger words.

    pictures  how many there are
    captions  how many of them have a caption file
    repeats   the N of a folder called N_trigger, which a run takes from there; None for any other
    """

    name: str
    pictures: int
    trigger: tuple[str, ...]
    kind: Kind = "object"
    class_word: str = ""
    captions: int = 0
    repeats: int | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything a pipeline is written from.

    input, output, regularisation  paths relative to the pipeline file; the last one may be empty
    prompts                        the file of sample prompts, relative too; empty for none
    base, family                   as in `bases.base_of`; family is needed where the name does not tell it
    gpu                            GiB, 0 without one
    files                          what stands beside a base of one file, by option: text_encoder, vae, tokenizer
    distilled                      False where the user had to say that the base is not distilled
    """

    input: str
    concepts: tuple[ConceptAnswer, ...]
    output: str = "prepared/"
    base: str = "toy"
    gpu: float = 0.0
    family: str | None = None
    regularisation: str = ""
    prompts: str = ""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    distilled: bool | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What the user said beforehand, None where nothing.

    kinds     kind by concept; the key "" stands for all others
    triggers  words, separated by commas, by concept
    """

    input: str | None = None
    output: str | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict[str, Kind])
    base: str | None = None
    gpu: float | None = None
    triggers: Mapping[str, str] = field(default_factory=dict[str, str])
    family: str | None = None
    text_encoder: str | None = None
    vae: str | None = None
    tokenizer: str | None = None
    not_distilled: bool = False


def home(path: str) -> Path:
    """The path with ~ replaced; a name that only begins like that stays, where Path.expanduser would raise."""
    return Path(os.path.expanduser(path))  # noqa: PTH111
