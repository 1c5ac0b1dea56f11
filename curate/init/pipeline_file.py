"""Writes the pipeline file: valid as it stands, each value with its reason."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from curate.core.counting import counted
from curate.core.visible import visible
from curate.diffusion.family import families
from curate.diffusion.locate import EMBEDDED
from curate.errors import InputError
from curate.init.answers import Answers, ConceptAnswer
from curate.init.bases import Base, base_of
from curate.init.prompts import prompts_text
from curate.init.recipe import recipe
from curate.report.health import enough

_PLAIN = re.compile(r"[^\W\d_][\w ./-]*")


def check_target(path: Path, *, force: bool) -> None:
    """Raises InputError where the file exists and `force` was not given; asked before any question is."""
    if path.exists() and not force:
        raise InputError(f"{path} exists already and is not changed", "choose another name with -o, or give --force")


def write(path: Path, text: str, *, force: bool = False) -> None:
    """Writes the pipeline file. Raises InputError where it exists and `force` was not given."""
    from curate.core.files import write_text

    check_target(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def write_prompts(path: Path, answers: Answers) -> Path | None:
    """Writes the file of sample prompts beside the pipeline `path`; None where none is wanted, or it exists already."""
    from curate.core.files import write_text

    target = path.parent / answers.prompts
    if not answers.prompts or target.exists():
        return None
    write_text(target, prompts_text(answers, base_for(answers)))
    return target


def base_for(answers: Answers) -> Base:
    """What is known of the answered base. Raises InputError where its family is not told."""
    base = base_of(answers.base, answers.family)
    if base is None:
        choices = ", ".join(families())
        raise InputError(
            f"the name {answers.base} does not show the family of the base model", f"give --family: {choices}"
        )
    return base


def cautions(answers: Answers) -> list[str]:
    """What will not work as answered, or not well."""
    base = base_for(answers)
    found: list[str] = []
    if answers.base not in EMBEDDED and not answers.gpu:
        found.append("training a real base without a GPU takes days; preparing the pictures does not need one")
    if 0 < answers.gpu < base.declaration.least_gib:
        found.append(f"{answers.gpu:g} GiB of GPU memory is little for {base.title}")
    return found


def pipeline_text(answers: Answers, training: Sequence[str] = ()) -> str:
    """The pipeline file: valid as it stands, each value with its reason. Pure but for the list of known taggers.

    `training` are the lines of the train stage below its base; without them those of a recipe.
    """
    base = base_for(answers)
    parts = [
        *_opening(answers, base),
        "",
        "concepts:",
        *_concepts(answers.concepts),
        "",
        "stages:",
        *_stages(answers, base, training),
        "",
        "# How it runs; nothing here changes a result.",
        "run: {workers: auto, device: auto}",
    ]
    return "\n".join(parts) + "\n"


def _opening(answers: Answers, base: Base) -> Iterator[str]:
    gpu = f"a GPU of {answers.gpu:g} GiB" if answers.gpu else "no GPU"
    yield (
        "# See what it would do: curate plan THIS_FILE.   Do it: curate run THIS_FILE.   Again: "
        "only what changed is redone."
    )
    yield f"# Written for {visible(base.name)} ({base.title}, {_ANCESTRY[base.prompting]}) and {gpu}."
    for caution in cautions(answers):
        yield f"# Caution: {caution}."
    yield ""
    yield f"input: {_scalar(answers.input)}"
    yield "# Everything is written here; the input is only read. A caption you edit here is kept."
    yield f"output: {_scalar(answers.output)}"


_ANCESTRY = {
    "natural": "prompted in plain language",
    "danbooru": "prompted in danbooru tags",
    "e621": "prompted in e621 tags",
}


def _concepts(concepts: Sequence[ConceptAnswer]) -> Iterator[str]:
    yield (
        "  # By folder name. Write the trigger in a prompt to get the concept. A made-up word has no "
        "meaning for the base yet."
    )
    yield "  # A class word after it (zwx dog) builds on what the base knows. The trigger is first in every caption."
    for one in concepts:
        trigger = ", ".join(_scalar(word) for word in one.trigger)
        word = f", class_word: {_scalar(one.class_word)}" if one.class_word else ""
        yield f"  # {counted(one.pictures, 'picture')}: {enough(one.pictures, one.kind)}"
        yield f"  {_scalar(one.name)}: {{trigger: [{trigger}], kind: {one.kind}{word}}}"


def _stages(answers: Answers, base: Base, training: Sequence[str]) -> Iterator[str]:
    tagger, vocabulary = _tagger(base, answers.gpu)
    table = vocabulary if vocabulary == "e621" else "danbooru"
    yield (
        "  # Any format becomes upright 8-bit sRGB PNG. Transparent parts would train as garbage, so they become white."
    )
    yield "  - convert: {background: white}"
    yield "  # Very large files slow a trainer down. Training scales pictures to its buckets anyway."
    yield "  - resize: {max_side: 3000}"
    yield "  # Duplicates would be learned twice as strongly."
    yield "  - dedupe"
    yield from _tagging(answers, tagger, vocabulary)
    yield from _captions(base, table)
    yield ("  # german_shepherd already implies dog, so dog is removed. The table is that of the tagger's site.")
    yield f"  - prune: {{implications: {table}}}"
    yield "  # Trigger words first, where keep_tokens protects them from shuffling."
    yield "  - trigger"
    if any(one.repeats is not None for one in answers.concepts):
        yield "  # The repeats are the numbers in your folders' names. To balance the concepts instead, remove the #."
        yield "  # - balance"
    else:
        yield "  # Small concepts are repeated until they are shown as often as large ones."
        yield "  - balance"
    yield "  # N_trigger folders of pictures with captions, which kohya's scripts and others read too."
    yield "  - export"
    yield "  - train:"
    yield f"      base: {_scalar(answers.base)}"
    yield from _beside_base(answers, base)
    yield from (f"      {line}" for line in training) if training else _training(answers, base)
    if base.name == "toy":
        yield "  # Draws your triggers with and without the LoRA. The report shows them first."
        yield "  - sample: {steps: 16, guidance: 4, guidance_rescale: 0.7, sampler: ddim}"


def _beside_base(answers: Answers, base: Base) -> Iterator[str]:
    """What a file of the network alone lacks, and what its name does not say."""
    if answers.files:
        yield f"      # The file holds {base.title}'s network alone."
    for option, name in answers.files.items():
        yield f"      {option}: {_scalar(name)}"
    if answers.files and "tokenizer" not in answers.files:
        usual = next(iter(base.declaration.common), "the hub")
        yield f"      # tokenizer: FOLDER  # without it that of {usual} is downloaded, a few MB"
    if answers.distilled is False:
        yield "      # You said that it is not the variant distilled to few steps, which cannot be trained well."
        yield "      distilled: false"


def _tagging(answers: Answers, tagger: str, vocabulary: str) -> Iterator[str]:
    captions, pictures = (sum(getattr(c, what) for c in answers.concepts) for what in ("captions", "pictures"))
    if captions == pictures:
        yield "  # Every picture has a caption, and those are imported. To add tags, remove the # from the next line."
        yield f"  # - tag: {{tagger: {tagger}, existing: merge}}"
    else:
        yield f"  # {_tagger_reason(tagger, vocabulary)}"
        if captions:
            yield f"  # {captions} of {counted(pictures, 'picture')} have captions, which are kept."
        yield f"  - tag: {{tagger: {tagger}}}"


def _captions(base: Base, table: str) -> Iterator[str]:
    if base.prompting == "natural":
        yield (
            "  # This base reads sentences. The .txt beside a picture is used, and its sentence comes before the tags."
        )
        yield f"  - captions: {{vocabulary: {table}, sentence: before, blacklist: []}}"
    else:
        yield (
            "  # This base reads tags. Underscores become spaces, as in its prompts. blacklist "
            "removes tags you never want."
        )
        yield f"  - captions: {{vocabulary: {table}, blacklist: []}}"


def _tagger(base: Base, gpu: float) -> tuple[str, str]:
    """The tagger to use and its vocabulary: the embedded one beside an embedded base, else one with the base's tags."""
    from taggers import catalogue

    if base.name in EMBEDDED:
        return "palette", "danbooru"
    if base.prompting == "e621":
        for name in catalogue.names():
            if catalogue.vocabulary(name) == "e621":
                return name, "e621"
    return ("wd-eva02-large-tagger-v3" if gpu else "wd-vit-tagger-v3"), "danbooru"


def _tagger_reason(tagger: str, vocabulary: str) -> str:
    if tagger == "palette":
        return (
            "Measures colors and background, offline. For content use a real tagger: "
            "wd-vit-tagger-v3 is small and good."
        )
    reasons = {"large": ", the most accurate of its family; needs a GPU", "vit": ", small enough for the CPU"}
    how = next((reason for part, reason in reasons.items() if part in tagger), "")
    return f"Writes {vocabulary} tags{how}. Downloaded once. New thresholds do not run it again."


def _training(answers: Answers, base: Base) -> Iterator[str]:
    """The trainer's options, each group under its reason; a later setting replaces an earlier one."""
    settings = recipe(answers, base)
    last = {option: n for n, one in enumerate(settings) for option in one.options}
    for n, one in enumerate(settings):
        options = {option: value for option, value in one.options.items() if last[option] == n}
        yield from (f"      # {line}" for line in textwrap.wrap(one.why, 110)) if options else ()
        for option, value in options.items():
            yield f"      {option}: {_value(value)}"


def _value(value: object) -> str:
    """A value as YAML 1.2 reads it back: 1e-4 without a point would be a word to some readers."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".") if value else "0"
    return _scalar(value) if isinstance(value, str) else str(value)


def _scalar(text: str) -> str:
    """A YAML scalar, quoted where a plain one could be read as something else."""
    plain = text.isascii() and _PLAIN.fullmatch(text) and not text.endswith((" ", ":")) and ": " not in text
    if plain and text.lower() not in ("true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escape(ord(c)) for c in quoted)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
