"""CLIP's text encoders as ComfyUI's users have them: one file each, beside that of T5."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from curate.diffusion.checkpoint_file import clip_of
from curate.diffusion.text.text_encoder import read_encoder, reading
from curate.errors import InputError

LEVEL, PROJECTION = "text_model.", "text_projection.weight"


def beside(t5: Path, names: tuple[str, ...], title: str) -> list[Path]:
    """The files of these names in T5's folder. Raises InputError that says which is missing."""
    places = [t5.with_name(name) for name in names]
    if missing := [place.name for place in places if not place.is_file()]:
        raise InputError(
            f"{t5} has no {' and no '.join(missing)} beside it, and {title} reads {' and '.join(names)} too",
            "put what is missing there, or give the folder of a model in diffusers' layout",
        )
    return places


def load(place: Path, dtype: torch.dtype, *, projected: bool = False, act: str = "quick_gelu") -> nn.Module:
    """The encoder of a file, frozen; `projected`: with the projection of what it makes of a whole caption.

    Raises InputError for a file that holds none.
    """
    state = read_encoder(place)
    with reading(place, "CLIP"):
        held = {key: tensor for key, tensor in state.items() if key.startswith(LEVEL)}
        if projected:
            held[PROJECTION] = state[PROJECTION]
        return clip_of(held, "", dtype, act, len(state[PROJECTION]) if projected else 0)
