"""From what the user calls the base (a name, a folder, a file, a hub name) to a loaded backbone."""

from __future__ import annotations

from pathlib import Path

from curate.core.digests import FileDigests, file_digest, legacy_digest, text_digest
from curate.diffusion.base import Backbone, LoadOptions, Parts
from curate.diffusion.checkpoint_file import read
from curate.diffusion.detect import family_of_folder, family_of_keys, prediction_of
from curate.diffusion.family_class import family_class
from curate.diffusion.locate import base_digest, locate_base, vae_digest
from curate.errors import InputError


def load(base: str, offline: bool, options: LoadOptions | None = None, digests: FileDigests | None = None) -> Backbone:
    """Loads a base model on the CPU, frozen.

    Raises InputError for what cannot be trained and MissingError for what is not on this machine.
    """
    options = options or LoadOptions()
    place = locate_base(base, offline)
    if options.tokenizer and place.is_dir():
        raise InputError(f"tokenizer has no effect: {base} has its own")
    family, parts = _parts(place, base, options, offline)
    vae = family.other_vae(options.vae, parts.vae, offline) if options.vae else parts.vae
    assert vae is not None
    return family(
        name=base,
        parts=parts.models,
        vae=vae,
        texts=parts.texts,
        resolution=parts.resolution,
        prediction=prediction_of(family.family, parts.schedule),
        ztsnr=bool(parts.schedule.get("rescale_betas_zero_snr")),
        digest=base_digest(base, offline, digests),
        vae_digest=vae_digest(options.vae, offline, digests) if options.vae else _own_vae_digest(place, digests),
        schedule=parts.schedule,
        captions=parts.captions,
        hashes=_hashes(place, "sd_model", digests) | _hashes(Path(options.vae).expanduser(), "vae", digests),
    )


def _parts(place: Path, base: str, options: LoadOptions, offline: bool) -> tuple[type[Backbone], Parts]:
    if place.is_dir():
        family = family_class(family_of_folder(place, base, options.family).name)
        return family, family.from_folder(place, base, options)
    state = read(place)
    family = family_class(family_of_keys(state, place.name, options.family).name)
    return family, family.from_file(state, place, options, offline)


def _hashes(file: Path, what: str, digests: FileDigests | None) -> dict[str, str]:
    """kohya's hashes of a model that is one file; a folder has none."""
    if not file.is_file():
        return {}
    return {f"{what}_hash": legacy_digest(file), f"new_{what}_hash": file_digest(file, digests)}


def _own_vae_digest(place: Path, digests: FileDigests | None) -> str:
    """Of the autoencoder's own files, or of the whole checkpoint that holds it."""
    files = [place] if place.is_file() else sorted(p for p in (place / "vae").glob("*") if p.is_file())
    return text_digest(*(file_digest(p, digests) for p in files))
