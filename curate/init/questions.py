"""Asks for what `curate init` needs, or takes the defaults where nobody is there to answer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO, get_args

from rich.text import Text

from curate.core import registry
from curate.core.stage import Kind
from curate.errors import InputError
from curate.init.answers import Answers, ConceptAnswer, Given, home
from curate.names import folder_name, words
from curate.pipeline import SAMPLE
from curate.report.text import counted, visible


def ask(
    given: Given, target: Path, *, interactive: bool, answers: TextIO | None = None, questions: TextIO | None = None
) -> Answers:
    """The answers, asked for where they are missing and `interactive`, else with their defaults.

    `target` is the pipeline file to be. `answers` and `questions` are stdin and stderr unless given. Raises InputError
    for a folder without pictures, an unknown concept, or a missing folder that cannot be asked for.
    """
    asker = _Asker(interactive, answers, questions)
    source = given.input or asker.text(
        "Folder of pictures, one sub-folder for each concept", SAMPLE if interactive else ""
    )
    if not source:
        raise InputError("init needs the folder of pictures", f"give it, or {SAMPLE} to try curate out")
    found = concepts_in(source)
    _known(given.triggers, found)
    kind = given.kind or asker.choice("What is learnt", get_args(Kind), "object")
    concepts = tuple(
        ConceptAnswer(
            name,
            count,
            words(
                given.triggers.get(name)
                or asker.text(f"Trigger words of {visible(name)} ({counted(count, 'picture')})", suggested(name))
            ),
            kind,
            _class_word(name),
        )
        for name, count in found.items()
    )
    base = given.base or asker.text("Base model: a name on the hub, a folder, or tiny (a toy for trials)", "tiny")
    gpu = given.gpu if given.gpu is not None else asker.number("GPU memory in GiB, 0 without a GPU", gpu_memory())
    if gpu < 0:
        raise InputError(f"GPU memory of {gpu:g} GiB is none", "give its size, 0 without a GPU")
    output = given.output or asker.text("Folder to write to", str(target.parent / "prepared"))
    return Answers(_from_here(source, target), concepts, _from_here(output, target), base, gpu)


class _Asker:
    """Asks on the console, or takes the default where nobody is there to answer."""

    def __init__(self, interactive: bool, answers: TextIO | None, questions: TextIO | None) -> None:
        import sys

        from curate.report.text import console

        self._interactive, self._answers = interactive, answers
        self._console = console(questions or sys.stderr)

    def text(self, question: str, default: str) -> str:
        """A line of text, not empty where there is a default."""
        from rich.prompt import Prompt

        if not self._interactive:
            return default
        return (
            Prompt.ask(Text(question), console=self._console, default=default, stream=self._answers).strip() or default
        )

    def choice(self, question: str, choices: Sequence[Kind], default: Kind) -> Kind:
        """One of the choices."""
        from rich.prompt import Prompt

        if not self._interactive:
            return default
        said = Prompt.ask(
            Text(question), console=self._console, choices=list(choices), default=default, stream=self._answers
        )
        return next(choice for choice in choices if choice == said)

    def number(self, question: str, default: float) -> float:
        """A number that is not negative."""
        from rich.prompt import FloatPrompt

        if not self._interactive:
            return default
        return max(0.0, FloatPrompt.ask(Text(question), console=self._console, default=default, stream=self._answers))


def concepts_in(source: str) -> dict[str, int]:
    """The concepts in a folder, with their numbers of pictures. Raises InputError where there is none."""
    from curate import samples
    from curate.scan import list_pictures

    folder = samples.folder() if source == SAMPLE else home(source)
    counts: dict[str, int] = {}
    for one in list_pictures([folder], lambda _: None):
        counts[one.concept] = counts.get(one.concept, 0) + 1
    if not counts:
        raise InputError(f"no pictures in {source}", "put pictures in it, one sub-folder for each concept")
    return counts


def _known(triggers: Mapping[str, str], found: Mapping[str, int]) -> None:
    for name in triggers:
        if name not in found:
            raise InputError(f'no concept "{name}" in the folder', registry.nearest(name, list(found)))


def suggested(concept: str) -> str:
    """Trigger words for a concept folder: a made-up word before its name; a name of several words is taken for a trigger."""
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
