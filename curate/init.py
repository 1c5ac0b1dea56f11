"""Init: writes a pipeline.yaml for the user's own pictures and base model, with the reason for each value."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO, get_args

from rich.text import Text

from curate.core import registry
from curate.core.stage import Kind
from curate.errors import InputError
from curate.names import concept_folder, words
from curate.pipeline import SAMPLE
from curate.report.health import enough
from curate.report.text import counted, visible

Prompting = Literal["natural", "danbooru", "e621"]

_E621 = ("e621", "furry", "yiff", "fluffyrock", "lodestone")
_DANBOORU = ("pony", "illustrious", "noob", "animagine", "anime", "anything", "counterfeit", "abyssorange", "meina", "hassaku")
_XL = ("xl", "pony", "illustrious", "noob", "animagine")
_PLAIN = re.compile(r"[^\W\d_][\w ./-]*")


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
        index = _home(name) / "model_index.json"
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
    """Everything a pipeline is written from. `input` stands relative to the pipeline file; `gpu` is GiB, 0 without one."""

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


# asking --------------------------------------------------------------------------------------------------------------------


def ask(
    given: Given, target: Path, *, interactive: bool, answers: TextIO | None = None, questions: TextIO | None = None
) -> Answers:
    """The answers, asked for where they are missing and `interactive`, else with their defaults.

    `target` is the pipeline file to be. `answers` and `questions` are stdin and stderr unless given. Raises InputError
    for a folder without pictures, an unknown concept, or a missing folder that cannot be asked for.
    """
    asker = _Asker(interactive, answers, questions)
    source = given.input or asker.text("Folder of pictures, one sub-folder for each concept", SAMPLE if interactive else "")
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
        return Prompt.ask(Text(question), console=self._console, default=default, stream=self._answers).strip() or default

    def choice(self, question: str, choices: Sequence[Kind], default: Kind) -> Kind:
        """One of the choices."""
        from rich.prompt import Prompt

        if not self._interactive:
            return default
        said = Prompt.ask(Text(question), console=self._console, choices=list(choices), default=default, stream=self._answers)
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

    folder = samples.folder() if source == SAMPLE else _home(source)
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
    name = concept_folder(concept)[1]
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


def _home(path: str) -> Path:
    """The path with ~ replaced; a name that only begins like that stays, where Path.expanduser would raise."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def _from_here(path: str, target: Path) -> str:
    """The path as the pipeline file must name it: relative to its folder, absolute where that is on another drive."""
    if path == SAMPLE:
        return path
    whole = _home(path).absolute()
    try:
        relative = Path(os.path.relpath(whole, target.absolute().parent)).as_posix()
    except ValueError:
        relative = whole.as_posix()
    return relative.rstrip("/") + "/"


# writing -------------------------------------------------------------------------------------------------------------------


def write(path: Path, text: str, *, force: bool = False) -> None:
    """Writes the pipeline file. Raises InputError where it exists and `force` was not given."""
    from curate.core.files import write_text

    if path.exists() and not force:
        raise InputError(f"{path} exists already and is left as it is", "choose another name, or give --force")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def cautions(answers: Answers) -> list[str]:
    """What will not work as answered, or not well."""
    base = Base.of(answers.base)
    found: list[str] = []
    if base.architecture == "SDXL" and not any("xl" in name for name in registry.names("curate.train.backbones")):
        found.append(f"this version of curate does not train SDXL bases: the last stage will refuse {visible(base.name)}")
    if answers.base != "tiny" and not answers.gpu:
        found.append("training a real base without a GPU takes days; preparing the pictures does not need one")
    if 0 < answers.gpu < (8 if base.architecture == "SDXL" else 4):
        found.append(f"{answers.gpu:g} GiB of GPU memory is little for {base.architecture}")
    tagger, vocabulary = _tagger(base, answers.gpu)
    if base.prompting == "e621" and vocabulary != "e621":
        found.append(f"no e621 tagger is known to this version: {tagger} says danbooru tags, which the base half understands")
    return found


def pipeline_text(answers: Answers) -> str:
    """The pipeline file: valid as it stands, each value with its reason. Pure but for the list of known taggers."""
    base = Base.of(answers.base)
    parts = [
        *_opening(answers, base),
        "",
        "concepts:",
        *_concepts(answers.concepts),
        "",
        "stages:",
        *_stages(answers, base),
        "",
        "# How it runs; nothing here changes a result.",
        "run: {workers: auto, device: auto}",
    ]
    return "\n".join(parts) + "\n"


def _opening(answers: Answers, base: Base) -> Iterator[str]:
    gpu = f"a GPU of {answers.gpu:g} GiB" if answers.gpu else "no GPU"
    yield "# See what it would do: curate plan THIS_FILE.   Do it: curate run THIS_FILE.   Again: only what changed is redone."
    yield f"# Written for {visible(base.name)} ({base.architecture}, {_ANCESTRY[base.prompting]}) and {gpu}."
    for caution in cautions(answers):
        yield f"# Caution: {caution}."
    yield ""
    yield f"input: {_scalar(answers.input)}"
    yield "# Everything is written here; the input is only read. A caption you edit here is kept."
    yield f"output: {_scalar(answers.output)}"


_ANCESTRY = {"natural": "prompted in plain language", "danbooru": "prompted in danbooru tags", "e621": "prompted in e621 tags"}


def _concepts(concepts: Sequence[ConceptAnswer]) -> Iterator[str]:
    yield "  # By folder name. The trigger is what calls the concept up in a prompt: a made-up word keeps apart what the base"
    yield "  # knows, a class word after it (zwx dog) lets it build on that. Its words stand first in every caption."
    for one in concepts:
        trigger = ", ".join(_scalar(word) for word in one.trigger)
        word = f", class_word: {_scalar(one.class_word)}" if one.class_word else ""
        yield f"  # {counted(one.pictures, 'picture')}: {enough(one.pictures, one.kind)}"
        yield f"  {_scalar(one.name)}: {{trigger: [{trigger}], kind: {one.kind}{word}}}"


def _stages(answers: Answers, base: Base) -> Iterator[str]:
    tagger, vocabulary = _tagger(base, answers.gpu)
    table = vocabulary if vocabulary == "e621" else "danbooru"
    large = base.architecture == "SDXL"
    yield "  # Any format becomes upright 8-bit sRGB PNG; what is transparent would train as garbage, so it is laid on white."
    yield "  - convert: {background: white}"
    yield "  # Trainers handle very large files badly; buckets scale down further by themselves."
    yield "  - resize: {max_side: 3000}"
    yield "  # The same picture twice would count twice."
    yield "  - dedupe"
    yield f"  # {_tagger_reason(tagger, vocabulary)}"
    yield f"  - tag: {{tagger: {tagger}}}"
    if base.prompting == "natural":
        yield "  # This base reads sentences: a .txt that lies beside a picture is taken, and its sentence put before the tags."
        yield f"  - captions: {{vocabulary: {table}, sentence: before, blacklist: []}}"
    else:
        yield "  # This base reads tags: underscores become spaces as in its prompts. The black list takes what you never want."
        yield f"  - captions: {{vocabulary: {table}, blacklist: []}}"
    yield "  # german_shepherd says dog already: the implied tag only takes room. The table is that of the tagger's vocabulary."
    yield f"  - prune: {{implications: {table}}}"
    yield "  # Trigger words first, where the trainer's keep_tokens holds them when captions are shuffled."
    yield "  - trigger"
    yield "  # Small concepts are repeated until they are shown as often as large ones."
    yield "  - balance"
    yield "  # N_trigger folders of pictures with captions, which kohya's scripts and others read too."
    yield "  - export"
    yield "  - train:"
    yield f"      base: {_scalar(answers.base)}"
    yield from _training(answers, base, large)


def _tagger(base: Base, gpu: float) -> tuple[str, str]:
    """The tagger to use and its vocabulary: the embedded one beside the toy base, else one that speaks the base's tags."""
    from taggers import catalogue

    if base.name == "tiny":
        return "palette", "danbooru"
    if base.prompting == "e621":
        for name in catalogue.names():
            if catalogue.vocabulary(name) == "e621":
                return name, "e621"
    return ("wd-eva02-large-tagger-v3" if gpu else "wd-vit-tagger-v3"), "danbooru"


def _tagger_reason(tagger: str, vocabulary: str) -> str:
    if tagger == "palette":
        return "Measures colours and background, offline. For content take a real tagger: wd-vit-tagger-v3 is small and good."
    how = (
        "the most exact of its family, for a GPU"
        if "large" in tagger
        else "small enough for the CPU"
        if "vit" in tagger
        else ""
    )
    return f"Says {vocabulary} tags{', ' + how if how else ''}; downloaded once. Tuning its thresholds does not run it again."


def _training(answers: Answers, base: Base, large: bool) -> Iterator[str]:
    kinds = {one.kind for one in answers.concepts}
    if "style" in kinds:
        yield "      # A style is shallow and wide: a small rank learns it without its subjects."
        yield "      algo: lora"
        yield "      rank: 16"
    elif len(answers.concepts) == 1:
        yield "      # One concept in full detail: LoKr with its full matrix. A larger factor makes a smaller and weaker file."
        yield "      algo: lokr"
        yield "      factor: 8"
    else:
        yield "      # Several concepts in one file: plain LoRA at rank 32 has room for them, and every program reads it."
        yield "      algo: lora"
        yield "      rank: 32"
    if base.name == "tiny":
        yield "      # A trial; leave it out for a real base: about 100 showings of each picture follow."
        yield "      steps: 40"
        return
    if base.prompting != "natural" and not large:
        yield "      # SD 1.x models of this ancestry were trained on the text encoder's last layer but one."
        yield "      clip_skip: 2"
    if large and 0 < answers.gpu < 12:
        yield "      # 1024, the base's own, wants 12 GiB or more."
        yield "      resolution: 768"
    yield "      # Evens out easy and hard noise levels: learns faster, overbakes later."
    yield "      min_snr: 5"


def _scalar(text: str) -> str:
    """A YAML scalar, quoted where a plain one could be read as something else."""
    plain = text.isascii() and _PLAIN.fullmatch(text) and not text.endswith((" ", ":")) and ": " not in text
    if plain and text.lower() not in ("true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in quoted)
