"""Trained: what a training in a folder left to draw with: its base, its LoRA files, and how they want the base read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.core.registry import nearest
from curate.diffusion.detect import traits
from curate.diffusion.family import family
from curate.errors import InputError
from curate.sampling.emphasis import escape
from curate.sampling.options import ModelOptions
from curate.sampling.prompts import Prompt
from curate.train.data import folders
from curate.train.output.run_records import Run, lora_files, runs_of
from curate.train.storage.paths import homes

MODEL_OPTIONS = ("clip_skip", "max_tokens", "prediction", "ztsnr", "vae", "tokenizer", "text_encoder")
"""Options of the training that pictures are drawn with as well."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A run that left LoRA files.

    name     of its LoRA
    options  how the base is read, as the training read it
    side     the resolution trained at, in pixels; None where that is the base's
    loras    its files, the finished one last
    """

    name: str
    base: str
    options: Mapping[str, Any]
    side: int | None
    loras: tuple[Path, ...]

    def model_options(self, given: ModelOptions) -> ModelOptions:
        """How the base is read: as the user says, else as the training read it."""
        own = {name: getattr(given, name) for name in ModelOptions.model_fields if name in given.model_fields_set}
        return ModelOptions(**{**self.options, **own})


def is_trained(folder: Path) -> bool:
    """Whether anything was trained in a folder."""
    return folder.is_dir() and any(one for place in homes(folder) for one in place.glob("*/run.json"))


def find_trained(folder: Path, name: str = "", offline: bool = False) -> Trained:
    """The run whose LoRA has that name, or whose id begins so; without a name the one last worked on.

    Raises InputError where there is none, or where its LoRA files are gone.
    """
    found = [(run, files) for run in runs_of(folder) if (files := lora_files(run, folder))]
    if not found:
        raise InputError(f"no LoRA was trained in {folder}", "train one first: curate train FOLDER --base MODEL")
    matching = [pair for pair in found if not name or _name(*pair) == name or pair[0].id.startswith(name)]
    if not matching:
        raise InputError(f'no run in {folder} is called "{name}"', nearest(name, [_name(*pair) for pair in found]))
    run, files = matching[-1]
    options = {option: run.options[option] for option in MODEL_OPTIONS if option in run.options}
    base = str(run.options.get("base", "tiny"))
    if not family(traits(base, offline).family).clip_skip:
        options.pop("clip_skip", None)  # training warns of it and goes on
    side = run.options.get("resolution")
    return Trained(_name(run, files), base, options, max(side) if isinstance(side, list) else side, tuple(files))


def trigger_prompts(folder: Path) -> list[Prompt]:
    """The trigger words of each concept of a prepared folder; nothing for a folder of another layout."""
    try:
        found, _ = folders.concepts(folder)
    except InputError:
        return []
    return [Prompt(escape(words)) for words in dict.fromkeys(concept.words for concept in found if concept.words)]


def _name(run: Run, files: list[Path]) -> str:
    return Path(run.file).stem if run.file else files[-1].stem
