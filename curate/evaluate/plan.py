"""The pictures of an evaluation: every LoRA draws the same prompts with the same seeds, and so does the base alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from curate import names
from curate.core.concept import Concept
from curate.core.files import digest_plain
from curate.errors import InputError
from curate.evaluate.models import VIEWERS, ModelFiles, Role, locate
from curate.evaluate.options import EvaluateOptions
from curate.evaluate.prompt_lists import USUAL, Lists, read_lists
from curate.evaluate.prompts import Kind, Subject, prompts, subject
from curate.evaluate.result import LISTS, evaluation_folder
from curate.sampling.drawing_base import Context
from curate.sampling.emphasis import has_syntax, plain
from curate.sampling.grid import Column, evenly
from curate.sampling.loras import LoraStrength, lora_strength
from curate.sampling.options import ModelOptions
from curate.sampling.pictures import Pictures, Request
from curate.train.data.dataset import Dataset, Picture, read_dataset
from curate.train.output.trained import Trained, find_trained

VERSION = 1
"""Raise it when the same pictures give another result than before."""
BASE = "base"
_SLUG = 32


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of every column: `number` of the prompt within its kind, `shows` what CLIP is asked for."""

    concept: str
    kind: Kind
    number: int
    text: str
    shows: str
    seed: int


@dataclass(frozen=True)
class Plan:
    """An evaluation that is to be made.

    columns   the base first, under the name BASE
    training  pictures of each concept, by folder
    """

    options: EvaluateOptions
    drawing: Pictures
    columns: Sequence[Column]
    subjects: Sequence[Subject]
    training: Mapping[str, Sequence[Picture]]
    shots: Sequence[Shot]
    side: int
    viewers: Mapping[Role, ModelFiles]
    folder: Path
    lists: Path
    warnings: Sequence[str] = field(default_factory=tuple[str, ...])

    @property
    def loras(self) -> Sequence[Column]:
        """The columns that are judged."""
        return self.columns[1:]

    def requests(self) -> list[Request]:
        """The pictures, column by column; what several concepts share is drawn once."""
        wanted = dict.fromkeys((column, shot.text, shot.seed) for column in self.columns for shot in self.shots)
        return [self.request(column, text, seed) for column, text, seed in wanted]

    def request(self, column: Column, text: str, seed: int) -> Request:
        """The picture of a prompt and a seed."""
        options = self.options
        slug = names.safe(plain(text)[:_SLUG]).strip(" ._") or "picture"
        name = f"{names.safe(column.label)}/{slug}-{digest_plain(text)[:6]}-{seed}"
        usual = options.usual_picture(self.side, self.drawing.family, self.drawing.distilled)
        picture = replace(usual, prompt=text, negative=options.negative, seed=seed)
        return Request(name, picture, column.loras)

    def identity(self) -> str:
        """Digest of everything that decides the result; no model is loaded for it."""
        digests, emphasis = self.drawing.context.digests, self.drawing.options.emphasis
        weighed = has_syntax("".join([self.options.negative, *(shot.text for shot in self.shots)]))
        return digest_plain(
            [
                VERSION,
                [[column.label, [self.drawing.identity(self.request(column, "", 0))]] for column in self.columns],
                [[s.concept, s.kind, s.text, s.shows, s.seed] for s in self.shots],
                {folder: [p.digest for p in pictures] for folder, pictures in self.training.items()},
                {role: files.digest(digests) for role, files in self.viewers.items()},
                self.options.quick,
                *([emphasis] if weighed else []),
            ]
        )


def make_plan(
    options: EvaluateOptions,
    folder: Path,
    concepts: Mapping[str, Concept],
    context: Context,
    left_out: frozenset[Path] = frozenset(),
) -> Plan:
    """The evaluation of what was trained in a folder, or of LoRA files given. Raises InputError, MissingError."""
    viewers: dict[Role, ModelFiles] = {role: locate(role, getattr(options, role), context.offline) for role in VIEWERS}
    trained = _trained(options, folder, context.offline)
    loras = [lora_strength(text) for text in options.lora]
    if not loras:
        assert trained is not None
        loras = evenly([LoraStrength(path) for path in trained.loras], options.checkpoints)
    drawing = _drawing(options, trained, context)
    data = read_dataset(folder, options.caption_reading, context.digests, left_out=left_out)
    training = _by_concept(data)
    subjects = [subject(name, concepts) for name in training]
    place, lists = _places(options, folder, None if options.lora else trained, loras)
    shots = _shots(options, subjects, training, _lists(options, lists))
    side = (trained.side if trained and not options.base else None) or drawing.traits.resolution
    companions = tuple(lora_strength(text) for text in options.with_lora)
    return Plan(
        options,
        drawing,
        _columns(loras, companions),
        subjects,
        training,
        shots,
        side - side % drawing.family.step,
        viewers,
        place,
        lists,
        tuple(data.warnings),
    )


def _trained(options: EvaluateOptions, folder: Path, offline: bool) -> Trained | None:
    """The latest training; None where LoRAs and base are given. Raises InputError."""
    if options.lora and options.base:
        return None
    try:
        return find_trained(folder, offline=offline)
    except InputError as error:
        if options.lora:
            raise InputError(f"{error.message}, so that the base is unknown", "give base") from error
        raise


def _drawing(options: EvaluateOptions, trained: Trained | None, context: Context) -> Pictures:
    """What draws: the training's base as the training read it, or another as the options say."""
    if options.base or trained is None:
        given = options.model_dump(include=set(ModelOptions.model_fields))
        return Pictures(options.base, ModelOptions(**given), context)
    return Pictures(trained.base, trained.model_options(options), context)


def _by_concept(data: Dataset) -> dict[str, list[Picture]]:
    result: dict[str, list[Picture]] = {}
    for picture in data.pictures:
        result.setdefault(picture.concept, []).append(picture)
    return result


def _places(
    options: EvaluateOptions, folder: Path, trained: Trained | None, loras: Sequence[LoraStrength]
) -> tuple[Path, Path]:
    """The folder of the result, and the file of prompts."""
    place = evaluation_folder(trained.loras[-1] if trained else folder / "lora" / loras[-1].path.name)
    lists = place.parent / LISTS
    if options.output_dir:
        place = Path(options.output_dir).expanduser()
        lists = place / LISTS
    return place, Path(options.prompts).expanduser() if options.prompts else lists


def _lists(options: EvaluateOptions, path: Path) -> Lists:
    return read_lists(path) if options.prompts or path.exists() else USUAL


def _columns(loras: Sequence[LoraStrength], companions: tuple[LoraStrength, ...]) -> list[Column]:
    """The base, then each LoRA, all with the companions. Raises InputError for the same file twice."""
    labels = [_label(lora) for lora in loras]
    twice = {label for label, count in Counter([BASE, *labels]).items() if count > 1}
    labels = [
        f"{lora.path.parent.name} {label}" if label in twice else label
        for lora, label in zip(loras, labels, strict=True)
    ]
    if again := [label for label, count in Counter([BASE, *labels]).items() if count > 1]:
        raise InputError(f'lora: "{again[0]}" is there twice', "give each file and strength once")
    return [Column(BASE, companions)] + [
        Column(label, (lora, *companions)) for label, lora in zip(labels, loras, strict=True)
    ]


def _label(lora: LoraStrength) -> str:
    """The LoRA's name, and its strengths where they are not those it was trained with."""
    if lora.strength == lora.text_strength:
        return lora.name if lora.strength == 1 else f"{lora.name} × {lora.strength:g}"
    return f"{lora.name} × {lora.strength:g} (text {lora.text_strength:g})"


def _shots(
    options: EvaluateOptions, subjects: Sequence[Subject], training: Mapping[str, Sequence[Picture]], lists: Lists
) -> list[Shot]:
    return [shot for about in subjects for shot in _shots_of(options, about, training[about.folder], lists)]


def _shots_of(options: EvaluateOptions, about: Subject, pictures: Sequence[Picture], lists: Lists) -> Iterator[Shot]:
    """A concept's pictures: where a kind has few prompts, each is drawn with more seeds."""
    made = list(prompts(about, pictures, lists, max(1, options.count // options.each)))
    counts = Counter(one.kind for one in made)
    numbers: Counter[Kind] = Counter()
    for one in made:
        number, total = numbers[one.kind], counts[one.kind]
        numbers[one.kind] += 1
        share = options.count // total + (number < options.count % total)
        for n in range(share):
            yield Shot(about.folder, one.kind, number, one.text, one.shows, options.seed + n)
