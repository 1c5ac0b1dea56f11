"""The folders of tokenizers that a file of the network alone needs: named, beside the file, or the hub's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from curate.diffusion.locate import snapshot
from curate.errors import InputError, MissingError


def tokenizer_folders(given: str, place: Path, inside: Sequence[str], usual: str, offline: bool) -> Path:
    """The folder that holds those `inside`: as named, beside the file `place`, or of the hub name `usual`.

    Raises InputError for a folder without them, and MissingError where none is on this machine.
    """
    wanted = " and ".join(f"{folder}/" for folder in inside)
    remedy = f"give a folder with {wanted}, or a hub name, as tokenizer"
    folder = Path(given).expanduser() if given else place.parent
    if _holds(folder, inside):
        return folder
    if given and folder.exists():
        raise InputError(f"tokenizer {given} does not hold {wanted}", remedy)
    try:
        found = snapshot(given or usual, offline, [f"{folder}/*" for folder in inside], "tokenizer")
    except MissingError as error:
        raise MissingError(f"no tokenizer for {place.name}: {error.message}", remedy) from error
    if not _holds(found, inside):
        raise MissingError(f"no tokenizer for {place.name}: {given or usual} lacks {wanted}", remedy)
    return found


def _holds(folder: Path, inside: Sequence[str]) -> bool:
    return all((folder / name).is_dir() for name in inside)
