"""`curate lora …`: look at finished LoRA files, shrink, combine and convert them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curate.cli.help import Command
from curate.cli.results import Json, print_json
from curate.core.counting import counted
from curate.errors import InputError

if TYPE_CHECKING:
    from curate.diffusion.base_weights import BaseWeights

app = typer.Typer(
    name="lora",
    help="Look at finished LoRA files, check, shrink, merge and convert them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
OUTPUT, WEIGHTS = "Output", "What is kept"
File = Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="A LoRA file, or a folder of PEFT.")]
Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", show_default=False, help="LoRA files, or folders of LoRA files."),
]
Loras = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE[:STRENGTH]...",
        show_default=False,
        help="LoRA files. FILE:0.7 sets a strength, FILE:0.7,te=0.5,4-9=0 others for the text encoders (te, te1, "
        "te2), the unet and blocks of the UNet, numbered as in --block-ranks of train.",
    ),
]
Out = Annotated[Path, typer.Option("-o", "--out", metavar="OUT", help="The file to write.", rich_help_panel=OUTPUT)]
Force = Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.", rich_help_panel=OUTPUT)]
Precision = Annotated[
    Literal["fp16", "bf16", "fp32"] | None,
    typer.Option("--precision", help="Precision of the numbers. Default: as in the input.", rich_help_panel=OUTPUT),
]
Base = Annotated[
    str | None,
    typer.Option("--base", metavar="MODEL", help="Base model: a checkpoint, a diffusers folder, a hub name, or tiny."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never contact a model hub.")]


@app.command("info", cls=Command)
def info_command(
    file: Files,
    base: Base = None,
    top: Annotated[int, typer.Option("--top", min=0, help="Number of training tags to list.")] = 20,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Show family, algorithm, ranks, norms by block, metadata and hashes of LoRA files."""
    from curate.lora import tables
    from curate.lora.file import lora_paths, open_lora
    from curate.lora.info import info

    weights = _base(base, offline)
    pages = [info(open_lora(str(path)), weights, top) for path in lora_paths(file)]
    if as_json:
        print_json([_plain_info(page) for page in pages])
        return
    for page in pages:
        tables.show(tables.info_table(page))


def _plain_info(page: Any) -> dict[str, Any]:
    row = dataclasses.asdict(page)
    row["ranks"] = [{"rank": r, "alpha": a, "layers": n} for (r, a), n in page.ranks.items()]
    row["blocks"], row["metadata"], row["tags"] = dict(page.blocks), dict(row.pop("words")), dict(page.tags)
    for held, one in zip(row["hashes"], page.hashes, strict=True):
        held |= {"autov2": one.auto_v2, "autov3": one.auto_v3}
    return row


@app.command("check", cls=Command)
def check_command(
    file: Files,
    base: Base = None,
    wanted: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="PROGRAM",
            help="A program that must read all of it: comfyui, a1111, kohya, diffusers, peft. Repeatable.",
        ),
    ] = None,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Check whether ComfyUI, A1111, kohya, diffusers and PEFT read all of a file. Exit 1 if something would be lost."""
    from curate.lora import tables
    from curate.lora.check import check
    from curate.lora.file import lora_paths

    weights = _base(base, offline)
    done = [check(str(path), weights, wanted or ()) for path in lora_paths(file)]
    if as_json:
        print_json([_plain_check(one) for one in done])
    else:
        for one in done:
            tables.show(tables.check_table(one))
    if not all(one.passed for one in done):
        raise typer.Exit(1)


def _plain_check(one: Any) -> dict[str, Any]:
    programs = {
        v.reader.name: {"reads": v.reads, "layers": v.layers, "differs": v.differs, "reasons": dict(v.reasons)}
        for v in one.verdicts
    }
    problems = [dataclasses.asdict(problem) for problem in one.problems]
    return {"path": one.path, "family": one.family, "passed": one.passed, "programs": programs, "problems": problems}


@app.command("resize", cls=Command)
def resize_command(
    file: Files,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="The file to write; a folder for several files or recipes.",
            rich_help_panel=OUTPUT,
        ),
    ],
    rank: Annotated[
        int | None, typer.Option("--rank", min=1, help="Largest rank of a layer.", rich_help_panel=WEIGHTS)
    ] = None,
    conv_rank: Annotated[
        int | None,
        typer.Option("--conv-rank", min=1, help="Largest rank of 3×3 convolutions.", rich_help_panel=WEIGHTS),
    ] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            metavar="RECIPE",
            help="fro_ckpt=1,thr=-3.5 and the like: references (spn_ckpt, fro_ckpt, spn_lora, fro_lora, subspace, "
            "params) with thr= or size= in MiB; or sum=, fro=, ratio= of each layer; rank=, rescale=. Repeatable.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="SIZE", help="Largest file, such as 20MB.", rich_help_panel=WEIGHTS),
    ] = None,
    rescale: Annotated[
        float | None,
        typer.Option("--rescale", help="Multiply the effect by this number.", rich_help_panel=WEIGHTS),
    ] = None,
    base: Base = None,
    precision: Precision = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show what each layer kept.")] = False,
    force: Force = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Make LoRAs smaller, by SVD. LoHa, LoKr, OFT and full weights become a plain LoRA; the error is shown."""
    from curate.lora.file import lora_paths
    from curate.lora.recipes import chosen

    recipes = chosen(recipe or (), rank, conv_rank, size, rescale, with_base=base is not None)
    paths = list(lora_paths(file))
    weights = _base(base, offline)
    into_folder = len(paths) * len(recipes) > 1 or out.is_dir()
    reports: list[dict[str, Any]] = []
    for path in paths:
        labels = [one.label for one in recipes] if len(recipes) > 1 else [""]
        targets = [_target(out, path, label) if into_folder else out for label in labels]
        reports += _resize([str(path)], recipes, targets, weights, precision, force, layers, as_json)
    if as_json:
        print_json(reports)


def _target(folder: Path, path: Path, label: str) -> Path:
    name = path.stem if path.suffix == ".safetensors" else path.resolve().name
    return folder / ("_".join(filter(None, (name, label))) + ".safetensors")


def _resize(
    loras: Sequence[str],
    recipes: Sequence[Any],
    targets: Sequence[Path],
    base: BaseWeights | None,
    precision: str | None,
    force: bool,
    layers: bool,
    as_json: bool,
) -> list[dict[str, Any]]:
    from curate.lora import tables
    from curate.lora.resize import resize
    from curate.lora.weights import weighted

    reports: list[dict[str, Any]] = []
    for done in resize([weighted(text) for text in loras], recipes, targets, base, precision, force):
        row = dataclasses.asdict(done)
        reports.append({**row, "path": str(done.path), "recipe": done.recipe.text})
        if as_json:
            continue
        if layers:
            tables.show(iter([tables.rows_table(done.rows)]))
        typer.echo(tables.resized_line(done), err=True)
        _left_out(done.left_out)
    return reports


def _left_out(texts: Sequence[str]) -> None:
    for text in texts:
        typer.echo(f"left out, because a plain LoRA cannot hold it: {text}", err=True)


@app.command("merge", cls=Command)
def merge_command(
    loras: Loras,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT",
            help="The file to write; with a diffusers folder as base, a folder.",
            rich_help_panel=OUTPUT,
        ),
    ],
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="MODEL", help="Merge into this base model instead of into one LoRA."),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option("--rank", min=1, help="Largest rank of a layer. Default: the exact sum.", rich_help_panel=WEIGHTS),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", metavar="RECIPE", help="Shrink the sum by a recipe of resize.", rich_help_panel=WEIGHTS
        ),
    ] = None,
    precision: Precision = None,
    force: Force = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Merge LoRAs into one LoRA, exactly or to a rank; or, with --base, into a base model."""
    from curate.lora.recipes import chosen
    from curate.lora.weights import weighted

    if rank or recipe:
        recipes = chosen([recipe] if recipe else [], rank, None, None, None, with_base=base is not None)
        if base is not None and not recipes[0].needs_base:
            raise InputError("a base model has no ranks", "leave out --rank and --recipe, or --base")
        reports = _resize(loras, recipes, [out], _base(base, offline), precision, force, False, as_json)
        if as_json:
            print_json(reports)
        return
    files = [weighted(text) for text in loras]
    weights = _base(base, offline)
    if weights is None:
        from curate.lora.merge import merge

        done = merge(files, out, precision, force)
        row = {"path": str(done.path), "layers": done.layers, "rank": done.rank, "size": done.size}
        _wrote(as_json, row, f"{counted(done.layers, 'layer')}, rank up to {done.rank}", done.left_out)
        return
    from curate.lora.into_base import merge_into_base

    merged = merge_into_base(files, weights, out, precision, force)
    row = {"path": str(merged.path), "layers": merged.layers, "size": merged.size}
    _wrote(as_json, row, f"{counted(merged.layers, 'layer')} changed", ())


def _wrote(as_json: bool, row: dict[str, Any], what: str, left_out: Sequence[str]) -> None:
    if as_json:
        print_json({**row, "left_out": list(left_out)})
        return
    typer.echo(f"wrote {row['path']}: {what}, {row['size'] / (1 << 20):.2f} MiB", err=True)
    _left_out(left_out)


@app.command("extract", cls=Command)
def extract_command(
    tuned: Annotated[str, typer.Argument(metavar="TUNED", show_default=False, help="The fine-tuned model.")],
    base: Annotated[str, typer.Argument(metavar="BASE", show_default=False, help="The model that it was made from.")],
    out: Out,
    rank: Annotated[
        int | None, typer.Option("--rank", min=1, help="Largest rank of a layer.", rich_help_panel=WEIGHTS)
    ] = None,
    conv_rank: Annotated[
        int | None,
        typer.Option(
            "--conv-rank", min=0, help="Largest rank of 3×3 convolutions; 0 leaves them out.", rich_help_panel=WEIGHTS
        ),
    ] = None,
    error: Annotated[
        float | None,
        typer.Option(
            "--error",
            min=0,
            max=1,
            help="As many ranks as bring a layer's error below this share, such as 0.05.",
            rich_help_panel=WEIGHTS,
        ),
    ] = None,
    precision: Annotated[
        Literal["fp16", "bf16", "fp32"],
        typer.Option("--precision", help="Precision of the numbers.", rich_help_panel=OUTPUT),
    ] = "fp16",
    layers: Annotated[bool, typer.Option("--layers", help="Show what each layer kept.")] = False,
    force: Force = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Make a LoRA of the difference between two models."""
    from curate.diffusion.base_weights import BaseWeights
    from curate.lora import tables
    from curate.lora.extract import Limits, extract

    models = [BaseWeights.open(name, offline) for name in (tuned, base)]
    done = extract(models[0], models[1], out, Limits(rank, conv_rank, error), precision, force)
    if as_json:
        print_json({**dataclasses.asdict(done), "path": str(done.path)})
        return
    if layers:
        tables.show(iter([tables.rows_table(done.rows)]))
    size = f"{done.size / (1 << 20):.2f} MiB"
    typer.echo(f"wrote {done.path}: {counted(len(done.rows), 'layer')}, {size}, error {done.error:.2%}", err=True)
    _left_out(done.lost)


@app.command("convert", cls=Command)
def convert_command(
    file: File,
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="OUT", help="The file to write; for peft a folder.", rich_help_panel=OUTPUT
        ),
    ],
    to: Annotated[
        Literal["kohya", "diffusers", "peft", "comfyui"],
        typer.Option("--to", help="Whose names the file gets. kohya's are read by A1111, ComfyUI and diffusers too."),
    ],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Rename the layers of a LoRA for another program. The numbers stay the same, bit by bit."""
    from curate.lora.convert import convert
    from curate.lora.file import open_lora

    done = convert(open_lora(str(file)), to, out, force)
    if as_json:
        print_json({**dataclasses.asdict(done), "path": str(done.path)})
        return
    typer.echo(f"wrote {done.path}: {counted(done.layers, 'layer')}, {done.before} to {done.after}", err=True)
    for key in done.left_out:
        typer.echo(f"left out, because it belongs to no layer: {key}", err=True)


@app.command("metadata", cls=Command)
def metadata_command(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="OUT", help="The file to write.", rich_help_panel=OUTPUT),
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a value. Repeatable.")
    ] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="KEY", help="Remove a key.")] = None,
    private: Annotated[
        bool,
        typer.Option("--private", help="Remove what tells of the training folder: tags, folders, comments, times."),
    ] = False,
    strip: Annotated[bool, typer.Option("--strip", help="Remove all but what programs need to load the file.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Show a file's metadata, or write a copy with other metadata. The tensors stay the same."""
    from curate.cli.pairs import pair
    from curate.lora import metadata

    changes = bool(values or remove or private or strip)
    if changes != (out is not None):
        if changes:
            raise InputError("where to write is not said", f"-o NEW.safetensors, or -o {file} --force")
        raise InputError("--out has no effect without a change", "add --set, --remove, --private or --strip")
    if out is None:
        print_json(metadata.values_of(str(file)))
        return
    given = dict(pair(one, "--set") for one in values or ())
    done = metadata.rewrite(str(file), out, force, given, remove or (), private, strip)
    if as_json:
        print_json({key: {"before": before, "after": after} for key, (before, after) in done.items()})
        return
    for key, (before, after) in done.items():
        set_or_changed = "set" if before is None else "changed"
        typer.echo(f"{'removed' if after is None else set_or_changed} {key}", err=True)
    typer.echo(f"wrote {out}", err=True)


def _base(base: str | None, offline: bool) -> BaseWeights | None:
    if base is None:
        return None
    from curate.diffusion.base_weights import BaseWeights

    return BaseWeights.open(base, offline)
