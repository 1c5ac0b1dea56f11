"""What the toy base learns from: rendered scenes and clutter, kept as one array of pixels, and their captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curate.diffusion.tiny import WORDS
from curate.samples.toy_world import (
    BACKGROUNDS,
    COLOURS,
    LEARNED,
    POSITIONS,
    RESOLUTION,
    SIZES,
    STYLES,
    SUBJECTS,
    Scene,
    clutter,
    random_scene,
    render,
)

HELD_OUT_PART = 8
NONSENSE_SHARE = 1 / 8
SENTENCE_SHARE = 0.5
DROPPED_TAG_SHARE = 0.1

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def held_out(scene: Scene) -> bool:
    """Whether no training picture has this combination: one background of every subject in every colour."""
    place = list(BACKGROUNDS).index(scene.background)
    return (list(SUBJECTS).index(scene.subject) + 3 * list(COLOURS).index(scene.colour) + place) % HELD_OUT_PART == 0


def scenes(count: int, first: int = 0, subjects: tuple[str, ...] = LEARNED, hold: bool = False) -> list[Scene]:
    """So many scenes from seeds upwards of `first`: of the combinations to train on, or of those held out."""
    chosen: list[Scene] = []
    seed = first
    while len(chosen) < count:
        scene = random_scene(seed, subjects)
        if held_out(scene) == hold:
            chosen.append(scene)
        seed += 1
    return chosen


def caption(scene: Scene, draw: np.random.Generator) -> str:
    """Tags in any order or a sentence; some tags dropped; now and then with a word that means nothing."""
    if draw.random() < SENTENCE_SHARE:
        words = [scene.sentence()]
    else:
        words = [tag for tag in scene.tags() if draw.random() >= DROPPED_TAG_SHARE]
        draw.shuffle(words)
    if draw.random() < NONSENSE_SHARE:
        words.insert(int(draw.integers(len(words) + 1)), nonsense(draw))
    return ", ".join(words)


def vocabulary_words() -> list[str]:
    """The words that the tokenizer's merges are learned from: those of the captions many times, so that each is one."""
    sentences = [
        Scene(subject, colour, background, style, size, position).sentence()
        for subject in SUBJECTS
        for colour, background in zip(COLOURS, BACKGROUNDS, strict=True)
        for style, size, position in zip(STYLES, (*SIZES, ""), (*POSITIONS, ""), strict=True)
    ]
    return [*WORDS, *" ".join([*sentences, *STYLES.values()]).split()]


def nonsense(draw: np.random.Generator) -> str:
    """A word of three to five letters, as triggers are."""
    return "".join(_LETTERS[int(k)] for k in draw.integers(26, size=int(draw.integers(3, 6))))


def pixels(path: Path, sources: Sequence[Scene | int]) -> Any:
    """Scenes, and clutter from its seeds, as one array of bytes (N, 96, 96, 3), rendered where the file is missing."""
    if not path.exists():
        part = path.with_name(path.name + ".part")
        shape = (len(sources), RESOLUTION, RESOLUTION, 3)
        rendered = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        for row, source in enumerate(sources):
            rendered[row] = np.asarray(clutter(source) if isinstance(source, int) else render(source))
        rendered.flush()
        part.replace(path)
    return np.load(path, mmap_mode="r")
