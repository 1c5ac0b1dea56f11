"""Options that the commands of `curate lora` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from curate.diffusion.base_weights import BaseWeights

OUTPUT, WEIGHTS = "Output", "Ranks and size"
File = Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="A LoRA file, or a PEFT folder.")]
Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", show_default=False, help="LoRA files, or folders of LoRA files."),
]
Loras = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE[:STRENGTH]...",
        show_default=False,
        help="LoRA files. FILE:0.7 sets the strength. FILE:0.7,te=0.5,4-9=0 also sets it for the text encoders (te, "
        "te1, te2), the UNet (unet), or blocks of the UNet, numbered as in `curate train --block-ranks`.",
    ),
]
Out = Annotated[Path, typer.Option("-o", "--out", metavar="OUT", help="The file to write.", rich_help_panel=OUTPUT)]
Force = Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.", rich_help_panel=OUTPUT)]
Precision = Annotated[
    Literal["fp32", "fp16", "bf16"] | None,
    typer.Option("--precision", help="Precision of the weights. Default: as in the input.", rich_help_panel=OUTPUT),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="MODEL",
        help="Base model of the LoRA: a checkpoint, a diffusers folder, a hub name, toy or tiny. Needed for recipes "
        "and algorithms that depend on its weights.",
    ),
]
CheckBase = Annotated[
    str | None,
    typer.Option("--base", metavar="MODEL", help="Also check whether the LoRA fits this base model."),
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
        help="The file to write; for several files or recipes, a folder.",
        rich_help_panel=OUTPUT,
    ),
]
Rank = Annotated[int | None, typer.Option("--rank", min=1, help="Highest rank of a layer.", rich_help_panel=WEIGHTS)]
ConvRank = Annotated[
    int | None,
    typer.Option("--conv-rank", min=1, help="Highest rank of a 3×3 convolution.", rich_help_panel=WEIGHTS),
]
Recipes = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="Which singular values to keep, such as fro_ckpt=1,thr=-3.5. Either compare them with the base "
        "(spn_ckpt, fro_ckpt, subspace), the LoRA (spn_lora, fro_lora) or their cost (params), and limit by thr= "
        "(log10) or size= (MiB); or keep a share of each layer: sum=, fro=, ratio=. rank=, conv_rank= and rescale= "
        "can be added. Repeatable.",
        rich_help_panel=WEIGHTS,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="SIZE",
        help="Largest size of the file, such as 20MB (B, kB, MB, GB, KiB, MiB, GiB).",
        rich_help_panel=WEIGHTS,
    ),
]
Rescale = Annotated[
    float | None,
    typer.Option("--rescale", help="Multiply the LoRA's effect by this number.", rich_help_panel=WEIGHTS),
]
ShowLayers = Annotated[bool, typer.Option("--layers", help="Show what each layer kept.")]
MergeOut = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        metavar="OUT",
        help="The file to write; if the base is a diffusers folder, a folder.",
        rich_help_panel=OUTPUT,
    ),
]
MergeBase = Annotated[
    str | None,
    typer.Option("--base", metavar="MODEL", help="Merge into this base model instead of into one LoRA."),
]
MergeRank = Annotated[
    int | None,
    typer.Option("--rank", min=1, help="Highest rank of a layer. Default: the exact sum.", rich_help_panel=WEIGHTS),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="Shrink the sum with a recipe, as in `curate lora resize`.",
        rich_help_panel=WEIGHTS,
    ),
]
Tuned = Annotated[str, typer.Argument(metavar="TUNED", show_default=False, help="The fine-tuned model.")]
BaseModel = Annotated[
    str, typer.Argument(metavar="BASE", show_default=False, help="The model that it was fine-tuned from.")
]
ExtractConvRank = Annotated[
    int | None,
    typer.Option(
        "--conv-rank",
        min=0,
        help="Highest rank of a 3×3 convolution; 0 leaves these convolutions out.",
        rich_help_panel=WEIGHTS,
    ),
]
MaxError = Annotated[
    float | None,
    typer.Option(
        "--error",
        min=0,
        max=1,
        help="Keep as many ranks as it takes for the relative error of each layer to stay below this, such as 0.05.",
        rich_help_panel=WEIGHTS,
    ),
]
ExtractPrecision = Annotated[
    Literal["fp32", "fp16", "bf16"],
    typer.Option("--precision", help="Precision of the weights.", rich_help_panel=OUTPUT),
]
