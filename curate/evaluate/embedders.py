"""DINOv2 and CLIP: pictures and texts to embeddings."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from curate.diffusion.library_logging import quiet
from curate.errors import InputError, library_reason
from curate.evaluate.models import VIEWERS, ModelFiles

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]
Embed = Callable[[Sequence[Pixels]], Rows]
"""Pictures H×W×3 of any size to embeddings [pictures, width]."""


@contextlib.contextmanager
def open_dino(files: ModelFiles, device: torch.device) -> Generator[Embed]:
    """DINOv2's pooled output: the normed class token. Computed in float32."""
    with _loaded(files, device) as (model, processor):

        def embed(pictures: Sequence[Pixels]) -> Rows:
            return _rows(model(pixel_values=_prepared(processor, pictures, device)).pooler_output)

        yield embed


@contextlib.contextmanager
def open_clip(files: ModelFiles, device: torch.device) -> Generator[tuple[Embed, Callable[[Sequence[str]], Rows]]]:
    """CLIP's projected embeddings of pictures, and of texts, which are cut at its length. Computed in float32."""
    from transformers import AutoTokenizer

    with _loaded(files, device) as (model, processor):
        with _readable(files):
            tokenizer: Any = AutoTokenizer.from_pretrained(files.folder, local_files_only=True)
        longest = model.config.text_config.max_position_embeddings

        def pictures(given: Sequence[Pixels]) -> Rows:
            output = model.vision_model(pixel_values=_prepared(processor, given, device)).pooler_output
            return _rows(model.visual_projection(output))

        def texts(given: Sequence[str]) -> Rows:
            tokens = tokenizer(list(given), padding=True, truncation=True, max_length=longest, return_tensors="pt")
            output = model.text_model(**tokens.to(device)).pooler_output
            return _rows(model.text_projection(output))

        yield pictures, texts


def _prepared(processor: Any, pictures: Sequence[Pixels], device: torch.device) -> torch.Tensor:
    """What the model's own processor makes of pictures, one by one: they may be of different sizes."""
    # copies, since what a file gave cannot be written to; the order of channels cannot be guessed of 3 pixels' width
    made = [processor(images=[np.array(p)], return_tensors="pt", input_data_format="channels_last") for p in pictures]
    return torch.cat([one["pixel_values"] for one in made]).to(device)


def _rows(output: torch.Tensor) -> Rows:
    return output.float().cpu().numpy()


@contextlib.contextmanager
def _loaded(files: ModelFiles, device: torch.device) -> Generator[tuple[Any, Any]]:
    """Model and image processor, on the device as long as they are needed."""
    from transformers import AutoImageProcessor, AutoModel

    with quiet(), _readable(files):
        safe = files.weights.suffix == ".safetensors"
        model: Any = AutoModel.from_pretrained(
            files.folder, local_files_only=True, use_safetensors=safe, weights_only=True
        )
        processor: Any = AutoImageProcessor.from_pretrained(files.folder, local_files_only=True)
    model = model.to(device, torch.float32).eval()
    try:
        with torch.inference_mode():
            yield model, processor
    finally:
        model.to("cpu")  # the caller may still hold what embeds
        if device.type == "cuda":
            torch.cuda.empty_cache()


@contextlib.contextmanager
def _readable(files: ModelFiles) -> Generator[None]:
    """What transformers says of files that it cannot read, as an error of ours."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        title, reason = VIEWERS[files.role].title, library_reason(error)
        raise InputError(f"{title} in {files.folder} cannot be loaded: {reason}", "fetch the model again") from error
