"""Options that the commands of `curate lora` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from curate.diffusion.base_weights import BaseWeights

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


def base_weights(base: str | None, offline: bool) -> BaseWeights | None:
    """The base model on disk, where one is given."""
    if base is None:
        return None
    from curate.diffusion.base_weights import BaseWeights

    return BaseWeights.open(base, offline)


ResizeOut = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        help="The file to write; a folder for several files or recipes.",
        rich_help_panel=OUTPUT,
    ),
]
Rank = Annotated[int | None, typer.Option("--rank", min=1, help="Largest rank of a layer.", rich_help_panel=WEIGHTS)]
ConvRank = Annotated[
    int | None,
    typer.Option("--conv-rank", min=1, help="Largest rank of 3×3 convolutions.", rich_help_panel=WEIGHTS),
]
Recipes = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="fro_ckpt=1,thr=-3.5 and the like: references (spn_ckpt, fro_ckpt, spn_lora, fro_lora, subspace, "
        "params) with thr= or size= in MiB; or sum=, fro=, ratio= of each layer; rank=, rescale=. Repeatable.",
        rich_help_panel=WEIGHTS,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="SIZE",
        help="Largest file, such as 20MB (B, kB, MB, GB, KiB, MiB, GiB).",
        rich_help_panel=WEIGHTS,
    ),
]
Rescale = Annotated[
    float | None,
    typer.Option("--rescale", help="Multiply the effect by this number.", rich_help_panel=WEIGHTS),
]
ShowLayers = Annotated[bool, typer.Option("--layers", help="Show what each layer kept.")]
MergeOut = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        help="The file to write; with a diffusers folder as base, a folder.",
        rich_help_panel=OUTPUT,
    ),
]
MergeBase = Annotated[
    str | None,
    typer.Option("--base", metavar="MODEL", help="Merge into this base model instead of into one LoRA."),
]
MergeRank = Annotated[
    int | None,
    typer.Option("--rank", min=1, help="Largest rank of a layer. Default: the exact sum.", rich_help_panel=WEIGHTS),
]
Recipe = Annotated[
    str | None,
    typer.Option("--recipe", metavar="RECIPE", help="Shrink the sum by a recipe of resize.", rich_help_panel=WEIGHTS),
]
Tuned = Annotated[str, typer.Argument(metavar="TUNED", show_default=False, help="The fine-tuned model.")]
BaseModel = Annotated[str, typer.Argument(metavar="BASE", show_default=False, help="The model that it was made from.")]
ExtractConvRank = Annotated[
    int | None,
    typer.Option(
        "--conv-rank", min=0, help="Largest rank of 3×3 convolutions; 0 leaves them out.", rich_help_panel=WEIGHTS
    ),
]
MaxError = Annotated[
    float | None,
    typer.Option(
        "--error",
        min=0,
        max=1,
        help="As many ranks as bring a layer's error below this share, such as 0.05.",
        rich_help_panel=WEIGHTS,
    ),
]
ExtractPrecision = Annotated[
    Literal["fp16", "bf16", "fp32"],
    typer.Option("--precision", help="Precision of the numbers.", rich_help_panel=OUTPUT),
]
