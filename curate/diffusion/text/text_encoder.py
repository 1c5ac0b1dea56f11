"""A text encoder of transformers: from its folder, or from one file, whose shapes tell its configuration."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from curate.diffusion.checkpoint_file import read
from curate.diffusion.folder_check import check_part
from curate.diffusion.library_logging import quiet
from curate.errors import InputError, library_reason

SCALE, OF_INPUTS, MARK = ".scale_weight", ".scale_input", "scaled_fp8"
UNREAD = (".weight_scale", ".comfy_quant", ".qweight", ".absmax")
"""Endings of keys beside weights in forms that are not read."""
AGAIN = "give its file or its folder"


def load_encoder(
    place: Path,
    dtype: torch.dtype,
    name: str,
    model_class: str,
    of_file: Callable[[Mapping[str, Tensor], torch.dtype], nn.Module],
    remedy: str = AGAIN,
) -> nn.Module:
    """The encoder `name`, without a head, frozen. Raises InputError for what is none.

    `model_class` is transformers' class, whose configuration says which model_type a folder must have.
    """
    import transformers

    kind: Any = getattr(transformers, model_class)
    if place.is_dir():
        check_part(place, kind.config_class.model_type, "this base")
        return load_folder(kind, place, dtype, name, remedy)
    state = read_encoder(place)
    with reading(place, name, remedy):
        return of_file(state, dtype).requires_grad_(False).eval()


def load_folder(kind: Any, place: Path, dtype: torch.dtype, name: str, remedy: str = AGAIN) -> nn.Module:
    """What a class of transformers reads of a folder, frozen. Raises InputError."""
    with reading(place, name, remedy):
        made: nn.Module = kind.from_pretrained(place, dtype=dtype, local_files_only=True)
    return made.requires_grad_(False).eval()


@contextmanager
def reading(place: Path, name: str, remedy: str = AGAIN) -> Generator[None]:
    """Keeps libraries quiet; what they raise of a folder or file becomes an InputError that names both."""
    try:
        with quiet():
            yield
    except (OSError, ValueError, RuntimeError, KeyError, InputError) as error:
        reason = f"it lacks {error.args[0]}" if isinstance(error, KeyError) else library_reason(error)
        raise InputError(f"{place} is not a {name} text encoder: {reason}", remedy) from error


def read_encoder(place: Path) -> dict[str, Tensor]:
    """The tensors of a file, those in 8 bits times their scales. Raises InputError for other forms."""
    state = read(place)
    check_form(place, state)
    for key in [key for key in state if key.endswith(SCALE)]:
        weight, scale = f"{key.removesuffix(SCALE)}.weight", state.pop(key)
        if weight in state:
            state[weight] = (state[weight].float() * scale.float()).to(torch.bfloat16)
    return {key: tensor for key, tensor in state.items() if key != MARK and not key.endswith(OF_INPUTS)}


def check_form(place: Path, keys: Iterable[str]) -> None:
    """Raises InputError for a file whose weights are stored in a form that is not read."""
    if odd := next((key for key in keys if key.endswith(UNREAD)), ""):
        raise InputError(f"{place} is stored in a form that is not read: it holds {odd}", "take the bf16 or fp16 file")
