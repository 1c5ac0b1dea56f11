"""LoRAs with strengths on a command line: `dog.safetensors:0.7`, `:0.7:0.5` as `sample` has it, `:0.7,te=0.5,4-9=0`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from curate.errors import InputError
from curate.lora.file import LoraFile, open_lora

PARTS = {"unet": ("unet",), "te": ("te1", "te2"), "te1": ("te1",), "te2": ("te2",)}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
REMEDY = "write FILE:0.7, or FILE:0.7,te=0.5,4-9=0 with text encoders (te, te1, te2), unet and numbers of UNet blocks"
LARGEST = 1e4
"""Strength beyond which nothing but overflow comes out."""


@dataclass(frozen=True)
class Weighted:
    """A LoRA file and how strongly it counts: by part and by UNet block where these have a strength of their own."""

    file: LoraFile
    strength: float = 1.0
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    blocks: Mapping[int, float] = field(default_factory=dict[int, float])

    @property
    def text(self) -> str:
        """The file's name with its strength."""
        return self.file.name if self.strength == 1 else f"{self.file.name}:{self.strength:g}"


def strength_of(one: Weighted, layer: str) -> float:
    """A layer's strength: its block's, else its part's, else the file's."""
    name = one.file.layer_name(layer)
    if name is None:
        return one.strength
    return one.blocks.get(name.block, one.parts.get(name.part, one.strength))


def weighted(text: str) -> Weighted:
    """A file with its strengths as written on the command line. Raises InputError."""
    match = re.fullmatch(r"(.*):([^:/\\]*)", text, re.DOTALL)
    if match is None or Path(text).expanduser().exists():
        return Weighted(open_lora(text))
    if both := re.fullmatch(rf"(.+):({_NUMBER}):({_NUMBER})", text, re.DOTALL):
        return weighted(f"{both[1]}:{both[2]},te={both[3]}")
    file, words = open_lora(match[1]), match[2]
    strength, parts, blocks = 1.0, dict[str, float](), dict[int, float]()
    for number, word in enumerate(words.split(",")):
        name, equals, value = word.rpartition("=")
        if not equals and number:
            raise InputError(f'{text}: "{word}" is not NAME=STRENGTH', REMEDY)
        if not equals:
            strength = _number(value, text)
        elif name.strip() in PARTS:
            parts |= dict.fromkeys(PARTS[name.strip()], _number(value, text))
        else:
            blocks |= dict.fromkeys(_blocks(name.strip(), file, text), _number(value, text))
    if (parts or blocks) and file.table is None:
        raise InputError(f"{text}: which layers belong to a part or a block is not known", "give one strength alone")
    return Weighted(file, strength, parts, blocks)


def _number(value: str, text: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not abs(number) <= LARGEST:
        raise InputError(f'{text}: "{value}" is not a strength', REMEDY)
    return number


def _blocks(name: str, file: LoraFile, text: str) -> range:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", name)
    if match is None:
        raise InputError(f'{text}: "{name}" is no part and no block', REMEDY)
    first, last = int(match[1]), int(match[2] or match[1])
    count = file.table.family.blocks if file.table else 0
    if not first <= last < max(count, 1):
        raise InputError(f"{text}: blocks {name}: {file.title} has the blocks 0 to {count - 1}")
    return range(first, last + 1)
