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
