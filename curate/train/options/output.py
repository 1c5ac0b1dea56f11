"""What is written: LoRA files and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

from curate.core.path_options import FilePath


class OutputOptions(BaseModel):
    """What is written: LoRA files and checkpoints."""

    output_name: str = Field(
        "",
        description="Name of the LoRA file. Default: the trigger words, or the folder's name if there "
        "are several concepts.",
    )
    output_dir: FilePath = Field("", description="Folder for the LoRA file. Default: FOLDER/lora.")
    save_precision: Literal["fp32", "fp16", "bf16"] = Field("fp16", description="Number format of the LoRA file.")
    names: Literal["auto", "kohya", "diffusers", "comfyui"] = Field(
        "auto",
        description="Names of the layers in the LoRA file. auto: those that most programs read for the family; "
        "see `curate lora convert`.",
    )
    save_every_n_epochs: int = Field(0, ge=0, description="Also save a LoRA file after every n-th epoch; 0: off.")
    save_every_n_steps: int = Field(0, ge=0, description="Also save a LoRA file after every n-th step; 0: off.")
    keep_saves: int = Field(
        0, ge=0, description="Keep only the last n of the files saved during training; 0 keeps all."
    )
    title: str = Field("", description="Title in the LoRA's metadata. Default: its name.")
    author: str = Field("", description="Author in the LoRA's metadata.")
    comment: str = Field("", description="Description in the LoRA's metadata.")
    license: str = Field("", description="License in the LoRA's metadata.")
    keywords: str = Field("", description="Tags for the LoRA's metadata, separated by commas. Captions do not change.")
    thumbnail: FilePath = Field(
        "", description="Picture that represents the LoRA. A small copy goes into the metadata."
    )
    save_state_every: int = Field(
        100, ge=1, description="Steps between saves of the training state, from which a rerun continues."
    )
    keep_states: int = Field(2, ge=1, description="Number of training states to keep.")


NEEDS: dict[str, tuple[str, Callable[[OutputOptions], bool]]] = {
    "keep_saves": (
        "save_every_n_epochs or save_every_n_steps",
        lambda options: bool(options.save_every_n_epochs or options.save_every_n_steps),
    ),
}
WORDS = frozenset(("title", "author", "comment", "license", "keywords", "thumbnail"))
"""What only stands in the metadata: a finished LoRA need not be trained anew for it."""
LATER = frozenset(("names",))
"""Options that came later: at their defaults they are no part of a run's identity."""
UNKEYED = frozenset(("output_dir", "save_state_every", "keep_states", "keep_saves", *WORDS))
