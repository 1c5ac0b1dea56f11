"""Folder check: whether a folder of diffusers holds every part of its family's model, whole; nothing is loaded."""

from __future__ import annotations

from pathlib import Path

from curate.diffusion.detect import read_json
from curate.diffusion.family import Family
from curate.errors import InputError

_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
_WEIGHTS = (".safetensors", ".bin", ".pt")
_AGAIN = "fetch the model again, with all its folders"


def check_folder(place: Path, family: Family, *, own_vae: bool = True) -> None:
    """Raises InputError naming the first part that is missing, cut off, or another family's.

    Only for families of rectified flow, whose parts are large and lie in folders of their own. Without `own_vae` the
    autoencoder is none of the folder's.
    """
    if not family.stored_text:
        return
    for name in family.components:
        if name == "scheduler" or (name == "vae" and not own_vae):
            continue
        part = place / name
        if not part.is_dir():
            raise InputError(f"{place} is not a complete model of {family.title}: it has no folder {name}/", _AGAIN)
        if "tokenizer" in name or name == "processor":
            check_vocabulary(part)
        else:
            check_part(part, family.parts.get(name, ""), family.title)


def check_vocabulary(part: Path) -> None:
    """Raises InputError for a tokenizer's folder without a vocabulary: it would take every caption for nothing."""
    if not part.is_dir():
        raise InputError(f"there is no folder {part}, which holds the tokenizer", _AGAIN)
    if not any((part / name).is_file() for name in _VOCABULARIES):
        raise InputError(f"{part} has no vocabulary: no {', '.join(_VOCABULARIES[:-1])} or {_VOCABULARIES[-1]}", _AGAIN)


def check_part(part: Path, kind: str, title: str) -> None:
    """Raises InputError where a folder holds another kind of model than `kind`, or weights that are not whole.

    What libraries make of another model's folder may be of full size, with random weights.
    """
    config = read_json(part / "config.json")
    if not config:
        raise InputError(f"{part} has no config.json", _AGAIN)
    found = str(config.get("_class_name") or config.get("model_type") or "").removesuffix("_text")
    if kind and found and found != kind:
        raise InputError(f"{part} holds a {found}, and {title} needs a {kind} there", "give the model's own folder")
    _check_weights(part)


def _check_weights(part: Path) -> None:
    from curate.adapters.tensor_file import TensorFile

    files = sorted(path for path in part.iterdir() if path.suffix in _WEIGHTS)
    index = next(iter(sorted(part.glob("*.safetensors.index.json"))), None)
    wanted = {part / name for name in read_json(index).get("weight_map", {}).values()} if index else set[Path]()
    if lacking := sorted(wanted - set(files)):
        raise InputError(f"{lacking[0]} is missing, and {part.name}/{index.name if index else ''} names it", _AGAIN)
    if not files:
        raise InputError(f"{part} holds no weights: no {', '.join(_WEIGHTS[:-1])} or {_WEIGHTS[-1]} file", _AGAIN)
    for file in files:
        if file.suffix == ".safetensors":
            TensorFile.open(file)
