"""Sentences: captions in natural language from a vision-language model (Florence-2, BLIP, Qwen-VL …)."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taggers.base import Picture
from taggers.errors import BadModelError, MissingModelError, library_reason

PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
"""What is fetched of a model: no pickles, no code."""

FLORENCE = "<MORE_DETAILED_CAPTION>"
"""The task that Florence-2 takes instead of a question."""

Writer = Callable[[Sequence[Picture]], list[str]]


def place(name: str, *, offline: bool = False) -> Path:
    """The folder of a model given by folder or hub name; fetched if need be. Raises MissingModelError."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    wanted: dict[str, Any] = {"allow_patterns": list(PATTERNS)}
    try:
        return Path(snapshot_download(name, local_files_only=True, **wanted))
    except (LocalEntryNotFoundError, ValueError, OSError) as error:
        remedy = f"fetch https://huggingface.co/{name} into a folder and give that folder"
        if offline or os.environ.get("HF_HUB_OFFLINE", "") in ("1", "true", "yes", "on"):
            raise MissingModelError(
                f"the model {name} is not on this machine, and offline mode is on (offline, or HF_HUB_OFFLINE)", remedy
            ) from error
    try:
        return Path(snapshot_download(name, **wanted))
    except (RepositoryNotFoundError, HfHubHTTPError, ValueError, OSError) as error:
        raise MissingModelError(f"the model {name} cannot be fetched: {library_reason(error)}", remedy) from error


def files(folder: Path) -> tuple[Path, ...]:
    """The files whose content decides what is written."""
    return tuple(sorted(p for pattern in PATTERNS for p in folder.glob(pattern)))


@contextmanager
def open_writer(
    folder: Path, device: str = "auto", *, require_gpu: bool = False, prompt: str = "", max_tokens: int = 100
) -> Generator[Writer]:
    """Loads the model and yields what makes one line of text of each picture, the likeliest each time (no sampling).

    `prompt` is a question for models that take one; without one Florence-2 gets its own task. Raises BadModelError,
    NoGpuError.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from taggers.device import torch_device

    where = torch_device(device, require_gpu=require_gpu)
    kind = torch.bfloat16 if where.startswith("cuda") else torch.float32
    try:
        processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        model: Any = AutoModelForImageTextToText.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=kind
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise BadModelError(f"{folder}: no vision-language model ({library_reason(error)})") from error
    model = model.to(where).eval()
    question = prompt or (FLORENCE if "florence" in model.config.model_type else "")

    def write(pictures: Sequence[Picture]) -> list[str]:
        inputs = _inputs(processor, list(pictures), question).to(where, kind)
        with torch.inference_mode():
            found = model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False, num_beams=1)
        if "input_ids" in inputs and not model.config.is_encoder_decoder:
            found = found[:, inputs["input_ids"].shape[1] :]
        return [" ".join(t.split()) for t in processor.batch_decode(found, skip_special_tokens=True)]

    try:
        yield write
    finally:
        model.to("meta")
        if where.startswith("cuda"):
            torch.cuda.empty_cache()


def _inputs(processor: Any, pictures: list[Picture], question: str) -> Any:
    if getattr(processor, "chat_template", None):
        content = [{"type": "image"}, {"type": "text", "text": question or "Describe this picture in one sentence."}]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        return processor(images=[[p] for p in pictures], text=[text] * len(pictures), padding=True, return_tensors="pt")
    asked = {"text": [question] * len(pictures), "padding": True} if question else {}
    return processor(images=pictures, return_tensors="pt", **asked)
