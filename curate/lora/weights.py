"""LoRAs with strengths on a command line: `dog.safetensors:0.7`, `:0.7:0.5` as `sample` has it, `:0.7,te=0.5,4-9=0`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from curate.adapters.strengths import parse_strengths
from curate.errors import InputError
from curate.lora.file import LoraFile, open_lora

PARTS = {"unet": ("unet",), "te": ("te1", "te2"), "te1": ("te1",), "te2": ("te2",)}
REMEDY = "write FILE:0.7, or FILE:0.7,te=0.5,4-9=0 with text encoders (te, te1, te2), unet and numbers of UNet blocks"


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
    written = parse_strengths(text, REMEDY)
    file = open_lora(written.file)
    parts, blocks = dict[str, float](), dict[int, float]()
    for name, strength in written.named.items():
        if name in PARTS:
            parts |= dict.fromkeys(PARTS[name], strength)
        else:
            blocks |= dict.fromkeys(_blocks(name, file, text), strength)
    if (parts or blocks) and file.table is None:
        raise InputError(f"{text}: which layers belong to a part or a block is not known", "give one strength alone")
    return Weighted(file, written.strength, parts, blocks)


def combined(files: Sequence[Weighted]) -> list[Weighted]:
    """Files that stand there more than once become one with the sum of their strengths."""
    by_path: dict[Path, list[Weighted]] = {}
    for one in files:
        by_path.setdefault(one.file.path.resolve(), []).append(one)
    return [_together(same) if len(same) > 1 else same[0] for same in by_path.values()]


def _together(same: Sequence[Weighted]) -> Weighted:
    parts = {part: sum(_part(one, part) for one in same) for part in dict.fromkeys(p for w in same for p in w.parts)}
    blocks = {
        block: sum(one.blocks.get(block, _part(one, "unet")) for one in same)
        for block in dict.fromkeys(b for w in same for b in w.blocks)
    }
    return Weighted(same[0].file, sum(one.strength for one in same), parts, blocks)


def _part(one: Weighted, part: str) -> float:
    return one.parts.get(part, one.strength)


def _blocks(name: str, file: LoraFile, text: str) -> range:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", name)
    if match is None:
        raise InputError(f'{text}: "{name}" is no part and no block', REMEDY)
    first, last = int(match[1]), int(match[2] or match[1])
    count = file.table.family.blocks if file.table else 0
    if not first <= last < max(count, 1):
        raise InputError(f"{text}: blocks {name}: {file.title} has the blocks 0 to {count - 1}")
    return range(first, last + 1)
