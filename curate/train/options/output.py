"""What is written: LoRA files and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field


class OutputOptions(BaseModel):
    """What is written: LoRA files and checkpoints."""

    output_name: str = Field(
        "", description="Name of the LoRA file; without one the trigger, or with several concepts the folder's name."
    )
    output_dir: str = Field("", description="Folder for the LoRA file; without one FOLDER/lora.")
    save_precision: Literal["fp32", "fp16", "bf16"] = Field("fp16", description="Of the LoRA file.")
    save_every_n_epochs: int = Field(0, ge=0, description="Also save a LoRA file after every n-th epoch; 0 is never.")
    save_state_every: int = Field(100, ge=1, description="Steps between checkpoints from which a rerun continues.")
    keep_states: int = Field(2, ge=1, description="Checkpoints kept.")


NEEDS: dict[str, tuple[str, Callable[[OutputOptions], bool]]] = {}
UNKEYED = frozenset(
    (
        "output_dir",
        "save_state_every",
        "keep_states",
    )
)
