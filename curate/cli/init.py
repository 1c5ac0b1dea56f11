"""`curate init`: writes a pipeline file for a folder of pictures."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer

from curate.cli.pairs import pair
from curate.cli.refusal import say
from curate.cli.results import print_line
from curate.cli.usage_errors import Arguments
from curate.core import registry
from curate.core.findings import raise_together
from curate.core.kinds import Kind
from curate.errors import InputError

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="FOLDER",
        help="Folder of pictures, or builtin:sample for the ones that come with curate.",
        show_default=False,
    ),
]
Target = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The file to write.")]
Output = Annotated[str | None, typer.Option("--prepared", metavar="FOLDER", help="Output folder of the pipeline.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="[CONCEPT=]KIND",
        help=f"What to learn: {', '.join(get_args(Kind))}. Without CONCEPT= it applies to all. Repeatable.",
    ),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base", help="Base model: a checkpoint, a diffusers folder, a hub name, or `toy` to try things out."
    ),
]
Family = Annotated[
    str | None, typer.Option("--family", help="Family of the base, if it cannot be detected from the name.")
]
TextEncoder = Annotated[
    str | None,
    typer.Option("--text-encoder", metavar="MODEL", help="Text encoder for a base file that holds the network alone."),
]
Vae = Annotated[
    str | None, typer.Option("--vae", metavar="MODEL", help="VAE for a base file that holds the network alone.")
]
Tokenizer = Annotated[
    str | None,
    typer.Option("--tokenizer", metavar="FOLDER", help="Tokenizer for a base file. Default: the one on the hub."),
]
NotDistilled = Annotated[
    bool,
    typer.Option(
        "--no-distilled",
        help="Say that the base is not the variant distilled to few steps (Turbo), if its name does not.",
    ),
]
Gpu = Annotated[float | None, typer.Option("--gpu", metavar="GIB", help="GPU memory in GiB; 0 if there is no GPU.")]
Triggers = Annotated[
    list[str] | None,
    typer.Option("--trigger", metavar="CONCEPT=WORDS", help="Trigger words of a concept. Repeatable."),
]
FromKohya = Annotated[
    list[str] | None,
    typer.Option(
        "--from-kohya",
        metavar="FILE",
        help="Use the training settings of sd-scripts, musubi-tuner (a pasted command, a TOML, the GUI's JSON) or "
        "ai-toolkit (YAML). Repeatable.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


def init_command(
    source: Source = None,
    target: Target = Path("pipeline.yaml"),
    output: Output = None,
    kind: Kinds = None,
    base: Base = None,
    family: Family = None,
    text_encoder: TextEncoder = None,
    vae: Vae = None,
    tokenizer: Tokenizer = None,
    not_distilled: NotDistilled = False,
    gpu: Gpu = None,
    trigger: Triggers = None,
    from_kohya: FromKohya = None,
    force: Force = False,
) -> None:
    """Write a commented pipeline.yaml for your pictures. Asks for what you do not give as an option."""
    from curate import init

    given_words = {"trigger": trigger, "kind": kind, "target": target, "force": force, "from_kohya": from_kohya}
    raise_together(init_checks(Arguments({**given_words, "base": base})))
    pairs = dict(pair(one, "--trigger") for one in trigger or ())
    interactive = sys.stdin.isatty() and sys.stderr.isatty()
    kohya = init.training(from_kohya, base) if from_kohya else init.Training()
    source, base, family = source or kohya.pictures, base or kohya.base, family or kohya.family
    text_encoder, vae, tokenizer = (
        value or kohya.files.get(option)
        for option, value in {"text_encoder": text_encoder, "vae": vae, "tokenizer": tokenizer}.items()
    )
    kinds = _kinds(kind or ())
    given = init.Given(source, output, kinds, base, gpu, pairs, family, text_encoder, vae, tokenizer, not_distilled)
    answers = init.ask(given, target, interactive=interactive)
    if kohya.lines:
        others = {option: file for option, file in answers.files.items() if option not in kohya.files}
        answers = dataclasses.replace(answers, prompts="", files=others)
    init.write(target, init.pipeline_text(answers, kohya.lines), force=force)
    prompts = init.write_prompts(target, answers)
    for caution in (*kohya.cautions, *init.cautions(answers)):
        say(caution)
    beside = f" and {prompts}" if prompts else ""
    print_line(f"wrote {target}{beside}; next: curate run {target}", err=True)


def init_checks(given: Arguments) -> Iterator[Callable[[], object]]:
    """What is wrong with the options of `curate init`, and with the settings files that it reads."""
    from curate import init

    yield from (lambda one=one: pair(one, "--trigger") for one in given.each("trigger"))
    yield from (lambda one=one: _kinds([one]) for one in given.each("kind"))
    yield lambda: init.check_target(given["target"] or Path("pipeline.yaml"), force=bool(given["force"]))
    yield lambda: init.training(given["from_kohya"], given["base"]) if given["from_kohya"] else None


def _kinds(given: Sequence[str]) -> dict[str, Kind]:
    """KIND or CONCEPT=KIND as a mapping; "" stands for all concepts. Raises InputError for an unknown kind."""
    kinds: dict[str, Kind] = {}
    for one in given:
        concept, _, name = one.rpartition("=")
        kind = next((kind for kind in get_args(Kind) if kind == name.strip()), None)
        if kind is None:
            raise InputError(f'--kind: unknown kind "{name}"', registry.nearest(name, get_args(Kind)))
        kinds[concept.strip()] = kind
    return kinds
