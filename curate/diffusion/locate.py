"""Where a base model's files are and what identifies them, found without loading anything heavy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from curate.core.digests import FileDigests, file_digest, text_digest
from curate.diffusion import tiny, toy
from curate.diffusion.family import INDEXES, families, is_model
from curate.errors import InputError, MissingError, library_reason

CHECKPOINTS = (".safetensors", ".ckpt")
CLIP_FILES = ("clip_l.safetensors", "clip_g.safetensors")
"""What families with several text encoders have beside the file of T5, by ComfyUI's names."""
EMBEDDED = {"tiny": tiny.folder, "toy": toy.folder}
"""Bases that are part of curate, and where their folders are."""


def components() -> tuple[str, ...]:
    """The folders that models of any family consist of."""
    return tuple(dict.fromkeys(folder for found in families().values() for folder in found.components))


def _patterns() -> list[str]:
    """What of a model on the hub is fetched."""
    inside = [f"{c}/*.{e}" for c in components() for e in ("json", "txt", "model", "jinja", "safetensors")]
    return [*INDEXES, *inside]


def is_hub_name(given: str) -> bool:
    """Whether it is written as owner/model, so that the hub may have what is not on this disk."""
    return given.count("/") == 1 and not given.startswith((".", "/", "~"))


def _check_ending(place: Path, endings: tuple[str, ...]) -> None:
    """Raises InputError for a file that is there and of another kind."""
    if not place.is_file() or place.suffix in endings:
        return
    if place.suffix.lower() == ".gguf":
        remedy = "take its .safetensors file in bf16; --base-precision shrinks it while training"
        raise InputError(f"{place} is quantized (GGUF), and only full weights are read", remedy)
    raise InputError(f"{place} is not a model file: it does not end in {' or '.join(endings)}", "give the file itself")


def locate_base(base: str, offline: bool) -> Path:
    """Where a base model is: embedded, a diffusers folder, one checkpoint file, or a hub name, fetched unless offline.

    Raises InputError for what is none of these and MissingError for what is not on this machine.
    """
    if base in EMBEDDED:
        return EMBEDDED[base]()
    place = Path(base).expanduser()
    _check_ending(place, CHECKPOINTS)
    if place.suffix in CHECKPOINTS and place.is_file():
        return place
    if place.is_dir():
        if not is_model(place):
            raise InputError(
                f"{place} is not a diffusers model: it has no {' or '.join(INDEXES)}",
                f"give the folder that contains {INDEXES[0]}",
            )
        return place
    if place.suffix in CHECKPOINTS or not is_hub_name(base):
        raise InputError(
            f'base model "{base}" is not there',
            "give a diffusers folder, a checkpoint, a hub name (owner/model), `toy` or `tiny`",
        )
    return snapshot(base, offline, _patterns())


def vae_files(vae: str, offline: bool) -> list[Path]:
    """The files of an autoencoder: one checkpoint, or config.json and weights of a folder or of a hub name.

    Raises InputError for what is none of these and MissingError for what is not on this machine.
    """
    place = Path(vae).expanduser()
    _check_ending(place, (*CHECKPOINTS, ".pt"))
    if place.suffix in (*CHECKPOINTS, ".pt") and place.is_file():
        return [place]
    if not place.is_dir():
        if place.suffix in (*CHECKPOINTS, ".pt") or not is_hub_name(vae):
            raise InputError(
                f'vae "{vae}" is not there', "give a file, a folder with config.json, or a hub name (owner/model)"
            )
        place = snapshot(vae, offline, ["config.json", "*.safetensors", "vae/config.json", "vae/*.safetensors"], "vae")
    place = place if (place / "config.json").is_file() else place / "vae"
    weights = sorted(place.glob("*.safetensors"))
    plain = [path for path in weights if "fp16" not in path.name] or weights
    if not (place / "config.json").is_file() or not plain:
        raise InputError(f"{vae} contains no autoencoder", "it needs config.json and a safetensors file")
    return [place / "config.json", *plain]


def text_encoder_files(given: str, offline: bool) -> list[Path]:
    """The files of a text encoder: one file, or config.json and weights of a folder or of a hub name.

    Of T5 the files of CLIP beside it come after it, and it may be named by the folder that holds them.
    Raises InputError for what is none of these and MissingError for what is not on this machine.
    """
    place = Path(given).expanduser()
    _check_ending(place, (".safetensors",))
    if place.suffix == ".safetensors" and place.is_file():
        return _with_clip(place) if place.name.startswith("t5") else [place]
    if not place.is_dir():
        if place.suffix == ".safetensors" or not is_hub_name(given):
            raise InputError(
                f'text_encoder "{given}" is not there',
                "give a .safetensors file, a folder with config.json, or a hub name (owner/model)",
            )
        # models also keep their network in one file beside these folders: it is not fetched
        place = snapshot(given, offline, ["text_encoder*/*.json", "text_encoder*/*.safetensors"], "text encoder")
        if not (place / "text_encoder" / "config.json").is_file():
            place = snapshot(given, offline, ["*.json", "*.safetensors"], "text encoder")
    holder, place = place, place if (place / "config.json").is_file() else place / "text_encoder"
    weights = sorted(place.glob("*.safetensors"))
    if not (place / "config.json").is_file() and (t5 := _t5_of(holder)):
        return _with_clip(t5)
    if not (place / "config.json").is_file() or not weights:
        raise InputError(f"{given} contains no text encoder", "it needs config.json and a safetensors file")
    others = place.parent.glob("text_encoder_*/*.safetensors") if place.name == "text_encoder" else ()
    return [place / "config.json", *weights, *sorted(others)]


def _with_clip(t5: Path) -> list[Path]:
    return [t5, *(beside for name in CLIP_FILES if (beside := t5.with_name(name)).is_file())]


def _t5_of(folder: Path) -> Path | None:
    """T5's file in a folder of single files, the one in full precision of several. Raises InputError for many."""
    found = sorted(folder.glob("t5*.safetensors"))
    whole = [path for path in found if "fp8" not in path.name] or found
    if len(whole) > 1:
        names = ", ".join(path.name for path in whole)
        raise InputError(f"{folder} holds several files of T5: {names}", "give one of them as text_encoder")
    return whole[0] if whole else None


def files_digest(files: Iterable[Path], digests: FileDigests | None = None) -> str:
    """Identifies the content of files, by their folders' and their own names."""
    there = sorted(path for path in files if path.is_file())
    return text_digest(*(f"{p.parent.name}/{p.name}={file_digest(p, digests)}" for p in there))


def text_encoder_digest(given: str, offline: bool, digests: FileDigests | None = None) -> str:
    """Identifies a text encoder's weights without loading it."""
    return text_digest(*(file_digest(path, digests) for path in text_encoder_files(given, offline)))


def vae_digest(vae: str, offline: bool, digests: FileDigests | None = None) -> str:
    """Identifies an autoencoder's weights without loading it."""
    return text_digest(*(file_digest(path, digests) for path in vae_files(vae, offline)))


def snapshot(name: str, offline: bool, patterns: list[str], what: str = "base model") -> Path:
    """The files of a hub name, fetched unless offline. Raises InputError for a name that the hub does not know,
    and MissingError for what is not on this machine and cannot be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=offline))
    except HFValidationError as error:
        raise InputError(f'"{name}" is neither a folder nor a hub name: {error}') from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        if offline:
            how = "offline mode is on (offline, or HF_HUB_OFFLINE)"
            raise MissingError(
                f"{what} {name} is no folder here and not downloaded, and {how}",
                "run once without offline mode to download it, or give a folder or a file that is on this disk",
            ) from error
        unknown = isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError)
        raise (InputError if unknown else MissingError)(
            f"{what} {name} cannot be downloaded from the hub: {library_reason(error)}", _remedy(error)
        ) from error


def _remedy(error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return "accept its terms on the hub and log in with `hf auth login`, or give a folder on disk"
    if isinstance(error, RepositoryNotFoundError):
        return "check the name; for a private model log in with `hf auth login`"
    return "check the connection, or give a folder or a file on disk"


def base_digest(base: str, offline: bool, digests: FileDigests | None = None) -> str:
    """Identifies the weights of a base model without loading it."""
    if base == "tiny":
        return tiny.digest()
    place = locate_base(base, offline)
    if place.is_file():
        return file_digest(place, digests)
    return files_digest([p for c in components() for p in (place / c).glob("*")], digests)
