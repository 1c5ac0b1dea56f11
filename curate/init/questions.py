"""Asks for what `curate init` needs, or takes the defaults where nobody is there to answer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO, get_args

from curate.core import registry
from curate.core.counting import counted
from curate.core.events import Event, Note
from curate.core.kinds import Kind
from curate.core.visible import visible
from curate.diffusion.locate import EMBEDDED
from curate.errors import InputError
from curate.init.answers import Answers, ConceptAnswer, Given, home
from curate.init.asker import Asker
from curate.init.base_questions import base_answers, file_answers, named_from
from curate.names import folder_name, words
from curate.pipeline import SAMPLE


def ask(
    given: Given, target: Path, *, interactive: bool, answers: TextIO | None = None, questions: TextIO | None = None
) -> Answers:
    """The answers, asked for where they are missing and `interactive`, else with their defaults.

    `target` is the pipeline file to be. `answers` and `questions` are stdin and stderr unless given. Raises InputError
    for a folder without pictures, an unknown concept, or a missing folder that cannot be asked for.
    """
    asker = Asker(interactive, answers, questions)
    source = given.input or asker.text(
        "Folder of pictures, one sub-folder for each concept", SAMPLE if interactive else ""
    )
    if not source:
        raise InputError("init needs the folder of pictures", f"give it, or {SAMPLE} to try curate out")
    source, regularisation = kohya_project(source)
    folders = concepts_in(source, asker.tell)
    _known([*given.triggers, *(name for name in given.kinds if name)], folders)
    concepts = tuple(_concept(name, one, given, asker) for name, one in folders.items())
    base, family, distilled = base_answers(given, asker)
    files = file_answers(base, family, given, asker)
    gpu = given.gpu if given.gpu is not None else asker.number("GPU memory in GiB, 0 without a GPU", gpu_memory())
    if gpu < 0:
        raise InputError(f"GPU memory of {gpu:g} GiB is none", "give its size, 0 without a GPU")
    output = given.output or asker.text("Output folder", str(target.parent / "prepared"))
    prompts = "" if base in EMBEDDED else f"./{target.stem}.prompts.txt"
    reg = _from_here(regularisation, target) if regularisation else ""
    return Answers(
        _from_here(source, target),
        concepts,
        _from_here(output, target),
        named_from(base, target),
        gpu,
        family,
        reg,
        prompts,
        {option: named_from(file, target) for option, file in files.items()},
        distilled,
    )


def _concept(name: str, folder: FolderContent, given: Given, asker: Asker) -> ConceptAnswer:
    """What is answered of one concept folder."""
    default = given.kinds.get("", "object")
    about = f"{visible(name)} ({counted(folder.pictures, 'picture')})"
    trigger = given.triggers.get(name) or asker.text(f"Trigger words of {about}", suggested(folder.name))
    kind = given.kinds.get(name) or given.kinds.get("")
    return ConceptAnswer(
        name,
        folder.pictures,
        words(trigger),
        kind or asker.choice(f'What kind of concept is "{visible(name)}"', get_args(Kind), default),
        _class_word(name),
        folder.captions,
        folder_name(folder.name).repeats,
    )


@dataclass(frozen=True, slots=True)
class FolderContent:
    """A concept folder: its own name, its pictures, and how many of them have a caption file beside them."""

    name: str
    pictures: int = 0
    captions: int = 0


def concepts_in(source: str, tell: Callable[[str], None] = lambda _: None) -> dict[str, FolderContent]:
    """The concepts in a folder by name; `tell` hears what is left out. Raises InputError where there is none."""
    from curate import samples
    from curate.scan import list_pictures

    folder = samples.folder() if source == SAMPLE else home(source)
    found: dict[str, FolderContent] = {}

    def told(event: Event) -> None:
        if isinstance(event, Note):
            tell(event.message)

    for one in list_pictures([folder], told):
        place = Path(one.path)
        relative = place.relative_to(folder).parts if place.is_relative_to(folder) else ()
        before = found.get(one.concept) or FolderContent(relative[0] if len(relative) > 1 else one.concept)
        captioned = any(place.with_suffix(ending).is_file() for ending in (".txt", ".caption"))
        found[one.concept] = replace(before, pictures=before.pictures + 1, captions=before.captions + captioned)
    if not found:
        raise InputError(f"no pictures in {source}", "put pictures in it, one sub-folder for each concept")
    return found


def kohya_project(source: str) -> tuple[str, str]:
    """The folders of concepts and of regularization pictures; of a kohya project (img/, reg/, log/, model/) its own."""
    if source == SAMPLE:
        return source, ""
    place = home(source)
    inner = place / "img"
    if not any(re.match(r"\d+_", p.name) for p in _folders(inner)) or any(
        re.match(r"\d+_", p.name) for p in _folders(place)
    ):
        return source, ""
    reg = place / "reg"
    return str(inner), str(reg) if any(re.match(r"\d+_", p.name) for p in _folders(reg)) else ""


def _folders(place: Path) -> list[Path]:
    return [p for p in place.iterdir() if p.is_dir()] if place.is_dir() else []


def _known(names: Iterable[str], found: Mapping[str, object]) -> None:
    for name in names:
        if name not in found:
            raise InputError(f'no concept "{name}" in the folder', registry.nearest(name, list(found)))


def suggested(concept: str) -> str:
    """Trigger words for a concept folder: a made-up word before its name; several words count as a trigger."""
    name = folder_name(concept).name
    return name if len(name.split()) > 1 else f"zwx {name}"


def _class_word(concept: str) -> str:
    name = concept.split(",")[0].split()[-1:]
    return name[0].lower() if name and name[0].isalpha() else ""


def gpu_memory() -> float:
    """GiB of the first NVIDIA GPU, 0 without one or without its driver's tool."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return 0.0
    query = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        return round(float(said.split()[0]) / 1024, 1)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0.0


def _from_here(path: str, target: Path) -> str:
    """The path as the pipeline file must name it: relative to its folder, absolute where that is on another drive."""
    if path == SAMPLE:
        return path
    whole = home(path).absolute()
    try:
        relative = Path(os.path.relpath(whole, target.absolute().parent)).as_posix()
    except ValueError:
        relative = whole.as_posix()
    return relative.rstrip("/") + "/"
