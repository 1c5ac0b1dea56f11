"""Where a base model's files are and what identifies them, found without loading anything heavy."""

from __future__ import annotations

from pathlib import Path

from curate.errors import InputError, MissingError
from curate.train import tiny
from curate.train.digests import Known, file_digest, text_digest

COMPONENTS = ("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler")
CHECKPOINTS = (".safetensors", ".ckpt")
PATTERNS = ["model_index.json", *(f"{c}/*.{e}" for c in COMPONENTS for e in ("json", "txt", "safetensors"))]


def located(base: str, offline: bool) -> Path:
    """Where a base model is: `tiny`, a diffusers folder, one checkpoint file, or a hub name, fetched unless offline.

    Raises InputError for what is none of these and MissingError for what is not on this machine.
    """
    if base == "tiny":
        return tiny.folder()
    place = Path(base).expanduser()
    if place.suffix in CHECKPOINTS and place.is_file():
        return place
    if place.is_dir():
        if not (place / "model_index.json").is_file():
            raise InputError(
                f"{place} is no diffusers model: it holds no model_index.json", "give the folder with model_index.json"
            )
        return place
    if place.suffix in CHECKPOINTS or base.count("/") != 1 or base.startswith((".", "/", "~")):
        raise InputError(
            f'base model "{base}" is not there', "give a diffusers folder, a checkpoint, a hub name (owner/model) or `tiny`"
        )
    return _from_hub(base, offline)


def _from_hub(name: str, offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=PATTERNS, local_files_only=offline))
    except HFValidationError as error:
        raise InputError(f'"{name}" is neither a folder nor a hub name: {error}') from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        where = "the local cache, and offline is set" if offline else "the hub"
        raise MissingError(f"base model {name} cannot be had from {where}: {error}", "give a folder on disk") from error


def base_digest(base: str, offline: bool, known: Known | None = None) -> str:
    """Identifies the weights of a base model without loading it."""
    if base == "tiny":
        return tiny.digest()
    place = located(base, offline)
    if place.is_file():
        return file_digest(place, known)
    files = sorted(p for c in COMPONENTS for p in (place / c).glob("*") if p.is_file())
    return text_digest(*(f"{p.parent.name}/{p.name}={file_digest(p, known)}" for p in files))
