"""`curate sample` and `curate grid`: pictures from a base model and any LoRAs, alone and side by side."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli.usage_errors import Arguments, Checks

SUMMARIES = {
    "sample": "Draw pictures from a base model and any LoRAs.",
    "grid": "Draw a training's LoRA files, or any LoRAs, side by side: files × strengths × prompts × seeds.",
}
"""First lines of the commands' help, by name."""
PLACES = "Places and machine"

BASE = Annotated[
    str,
    typer.Argument(
        metavar="BASE", help="A diffusers folder, a checkpoint, a hub name, `toy` or `tiny`.", show_default=False
    ),
]
LORA = Annotated[
    list[str] | None,
    typer.Option(
        "--lora",
        metavar="FILE[:STRENGTH[:TE_STRENGTH]]",
        help="LoRA file from any program, with its strengths for the UNet and the text encoders. Repeatable.",
        rich_help_panel="Prompts",
    ),
]
TRAINED = Annotated[
    str,
    typer.Argument(
        metavar="FOLDER|BASE", help="A folder that a LoRA was trained in, or a base model.", show_default=False
    ),
]
RUN = Annotated[
    str | None,
    typer.Option(
        "--run",
        metavar="NAME",
        help="Name of the training's LoRA. Default: the latest training.",
        rich_help_panel="Grid",
    ),
]


def command(name: str) -> Callable[..., None]:
    """The command of that name, with an option for each field of its options."""
    return {"sample": _sample, "grid": _grid}[name]()


def checks(name: str) -> Checks:
    """What is wrong with the options, the LoRA files and the prompts of a command that draws."""

    def of(given: Arguments) -> Iterator[Callable[[], object]]:
        from curate.sampling.loras import lora_strength
        from curate.sampling.options import DrawOptions, GridOptions

        model = GridOptions if name == "grid" else DrawOptions
        yield lambda: _options(name, model, given.values_read, given.wrong)
        yield from (lambda text=text: lora_strength(text) for text in given.each("lora"))

    return of


def _sample() -> Callable[..., None]:
    from curate.sampling.options import DrawOptions

    def carry_out(**given: Any) -> None:
        from curate.cli.results import print_json
        from curate.core.visible import visible_lines
        from curate.drive import draw

        options, run = _options("sample", DrawOptions, given)
        figures = draw.sample(given["base"], options, given["lora"] or (), given["out"], run, given["quiet"])
        if given["as_json"]:
            print_json(figures)
        elif not given["quiet"]:
            typer.echo(visible_lines(draw.summary(figures)), err=True)

    doc = f"""{SUMMARIES["sample"]}

    The PNG files contain the prompt and settings as A1111 writes them. A seed gives the same picture on every device,
    alone or in a batch. Running the command again draws only what is missing. Nothing is overwritten.
    """
    first = [("base", BASE, inspect.Parameter.empty), ("lora", LORA, None)]
    return _signed(carry_out, "sample", doc, [*first, *_fields(DrawOptions), *_places(Path("samples"))])


def _grid() -> Callable[..., None]:
    from curate.sampling.options import GridOptions

    def carry_out(**given: Any) -> None:
        from curate.cli.results import print_json, print_line
        from curate.drive import draw

        options, run = _options("grid", GridOptions, given)
        loras = given["lora"] or ()
        figures = draw.grid(given["source"], options, loras, run, given["run"] or "", given["out"], given["quiet"])
        if given["as_json"]:
            print_json(figures)
        elif not given["quiet"]:
            print_line(f"wrote {figures['page']} and {figures['sheet']}", err=True)

    doc = f"""{SUMMARIES["grid"]}

    `curate grid prepared/` shows every LoRA file of the latest training, drawn with its base. Without prompts it draws
    the trigger words. `curate grid BASE --lora FILE --prompt TEXT` compares any LoRAs. The first column is the base
    without LoRA. The result is a labelled picture (grid.png) and a page (grid.html). Running the command again draws
    only what is missing.
    """
    first = [("source", TRAINED, inspect.Parameter.empty), ("lora", LORA, None), ("run", RUN, None)]
    return _signed(carry_out, "grid", doc, [*first, *_fields(GridOptions), *_places(None)])


def _fields(options: Any) -> Iterator[tuple[str, Any, Any]]:
    from curate.cli.stage_options import field_option
    from curate.sampling.options import panel

    for field, info in options.model_fields.items():
        yield field, field_option(field, info, panel(field), options.model_fields), None


def _places(out: Path | None) -> Iterator[tuple[str, Any, Any]]:
    """Where to, on which device, and how much is told."""
    from curate.cli.results import json_option, quiet_option

    text = "Folder to write to." if out else "Folder to write to. Default: FOLDER/lora/grid/NAME, or grid for a base."
    where = typer.Option("-o", "--out", metavar="DIR", help=text, rich_help_panel=PLACES)
    yield "out", Annotated[Path if out else Path | None, where], out
    device = typer.Option("--device", help="auto, cpu, cuda or cuda:N.", rich_help_panel=PLACES)
    gpu = typer.Option("--require-gpu", help="Stop instead of using the CPU.", rich_help_panel=PLACES)
    offline = typer.Option("--offline", help="Never contact a model hub.", rich_help_panel=PLACES)
    yield "device", Annotated[str, device], "auto"
    yield "require_gpu", Annotated[bool, gpu], False
    yield "offline", Annotated[bool, offline], False
    yield "as_json", Annotated[bool, json_option(PLACES)], False
    yield "quiet", Annotated[bool, quiet_option(PLACES)], False


def _signed(
    carry_out: Callable[..., None], name: str, doc: str, parameters: list[tuple[str, Any, Any]]
) -> Callable[..., None]:
    """The function with the signature that typer reads."""
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    given = [inspect.Parameter(n, positional, annotation=kind, default=default) for n, kind, default in parameters]
    carry_out.__doc__ = inspect.cleandoc(doc)
    carry_out.__name__ = name
    carry_out.__signature__ = inspect.Signature(given)  # type: ignore[attr-defined]
    return carry_out


def _options(name: str, model: type[Any], given: Mapping[str, Any], wrong: Collection[str] = ()) -> tuple[Any, Any]:
    """The options as given, and how it runs. Raises InputError."""
    from curate.cli.stage_options import field_value
    from curate.cli.stages import validated
    from curate.pipeline import RunOptions

    values = {field: given.get(field) for field in model.model_fields}
    typed = {
        field: field_value(model.model_fields[field], value, field)
        for field, value in values.items()
        if value not in (None, [], ())
    }
    run = {field: given[field] for field in ("device", "require_gpu", "offline") if given.get(field) is not None}
    return validated(name, model, typed, wrong), validated("run", RunOptions, run, wrong)
