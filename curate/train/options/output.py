"""What is written: LoRA files and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field

from curate.core.path_options import FilePath


class OutputOptions(BaseModel):
    """What is written: LoRA files and checkpoints."""

    output_name: str = Field(
        "", description="Name of the LoRA file; without one the trigger, or with several concepts the folder's name."
    )
    output_dir: FilePath = Field("", description="Folder for the LoRA file; without one FOLDER/lora.")
    save_precision: Literal["fp32", "fp16", "bf16"] = Field("fp16", description="Of the LoRA file.")
    save_every_n_epochs: int = Field(0, ge=0, description="Also save a LoRA file after every n-th epoch; 0 is never.")
    save_every_n_steps: int = Field(0, ge=0, description="Also save a LoRA file after every n-th step; 0 is never.")
    keep_saves: int = Field(0, ge=0, description="Of the files saved along the way keep the last n; 0 keeps all.")
    title: str = Field("", description="Title that the LoRA's metadata say; without one its name.")
    author: str = Field("", description="Author that the LoRA's metadata name.")
    comment: str = Field("", description="Description in the LoRA's metadata.")
    license: str = Field("", description="Licence that the LoRA's metadata name.")
    keywords: str = Field(
        "", description="Tags of the LoRA in its metadata, with commas between; captions keep their own."
    )
    thumbnail: FilePath = Field("", description="Picture that stands for the LoRA; it goes small into the metadata.")
    save_state_every: int = Field(100, ge=1, description="Steps between checkpoints from which a rerun continues.")
    keep_states: int = Field(2, ge=1, description="Checkpoints kept.")


NEEDS: dict[str, tuple[str, Callable[[OutputOptions], bool]]] = {
    "keep_saves": (
        "save_every_n_epochs or save_every_n_steps",
        lambda options: bool(options.save_every_n_epochs or options.save_every_n_steps),
    ),
}
WORDS = frozenset(("title", "author", "comment", "license", "keywords", "thumbnail"))
"""What only stands in the metadata: a finished LoRA need not be trained anew for it."""
UNKEYED = frozenset(("output_dir", "save_state_every", "keep_states", "keep_saves", *WORDS))
