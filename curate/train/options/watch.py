"""What is looked at while training: validation loss, sample pictures, TensorBoard."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, Field

from curate.core.path_options import FilePath
from curate.diffusion.samplers import Sampler


class WatchOptions(BaseModel):
    """What is looked at while training: validation loss, sample pictures, TensorBoard."""

    validation: float = Field(
        0,
        ge=0,
        lt=1,
        description="Share of each concept's pictures to hold out from training, to measure validation loss.",
    )
    validation_folder: FilePath = Field("", description="Folder of N_name sub-folders for validation loss too.")
    validate_every_n_steps: int = Field(0, ge=0, description="Steps between validations. Default: once an epoch.")
    validate_every_n_epochs: int = Field(0, ge=0, description="Epochs between validations. Default: 1.")
    sample_prompts: FilePath = Field(
        "",
        description=(
            "File of prompts for sample pictures, one per line, with kohya's --n --w --h --d --l --s "
            "--ss; or kohya's TOML or JSON. (word:1.2) and [word] are weights here, as in kohya's sample pictures; "
            "in captions, brackets are plain text."
        ),
    )
    sample_every_n_steps: int = Field(0, ge=0, description="Steps between sample pictures. Default: once an epoch.")
    sample_every_n_epochs: int = Field(0, ge=0, description="Epochs between sample pictures. Default: 1.")
    sample_at_start: bool = Field(False, description="Also generate sample pictures before the first step.")
    sample_sampler: Sampler | None = Field(
        None, description="Sampler of the sample pictures. Default: euler_a; euler for flow-matching models."
    )
    tensorboard: bool = Field(True, description="Write loss, learning rate and validation loss for TensorBoard.")


def _validates(o: WatchOptions) -> bool:
    return bool(o.validation or o.validation_folder)


def _samples(o: WatchOptions) -> bool:
    return bool(o.sample_prompts)


NEEDS: dict[str, tuple[str, Callable[[WatchOptions], bool]]] = {
    "validate_every_n_steps": ("validation or validation_folder", _validates),
    "validate_every_n_epochs": ("validation or validation_folder", _validates),
    "sample_every_n_steps": ("sample_prompts", _samples),
    "sample_every_n_epochs": ("sample_prompts", _samples),
    "sample_at_start": ("sample_prompts", _samples),
    "sample_sampler": ("sample_prompts", _samples),
}
UNKEYED = frozenset(
    (
        "validation_folder",
        "validate_every_n_steps",
        "validate_every_n_epochs",
        "sample_prompts",
        "sample_every_n_steps",
        "sample_every_n_epochs",
        "sample_at_start",
        "sample_sampler",
        "tensorboard",
    )
)
