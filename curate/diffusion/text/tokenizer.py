"""CLIP's tokenizer for one-file checkpoints: named, beside the file, from the hub, or as another package carries it."""

from __future__ import annotations

import gzip
import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Any

from curate.diffusion.library_logging import quiet
from curate.diffusion.locate import is_hub_name
from curate.errors import CurateError, InputError, MissingError

TOKENIZER = "openai/clip-vit-large-patch14"
PACKAGES = ("open_clip", "clip")
CARRIED = "bpe_simple_vocab_16e6.txt.gz"
LETTERS = 256
MERGES = 49152 - 256 - 2
"""Merges that CLIP uses of the many in that file."""


def of_base(given: str, place: Path | None) -> Any:
    """The tokenizer of a base on this machine, or CLIP's for one that is not here; offline. Raises as `tokenizer`."""
    from transformers import CLIPTokenizer

    if place is not None and place.is_dir():
        with quiet("transformers"):
            return CLIPTokenizer.from_pretrained(place / "tokenizer", local_files_only=True)
    try:
        return tokenizer(given, place or Path(TOKENIZER, "base"), offline=True)
    except MissingError as error:
        raise MissingError(
            "there is no CLIP tokenizer on this machine",
            "name a base that is on this machine, or install open_clip_torch, which carries one",
        ) from error


def tokenizer(given: str, place: Path, offline: bool) -> Any:
    """The tokenizer named, the one beside the checkpoint, the hub's, or an installed package's.

    Raises InputError for a path that holds none, MissingError for a hub name that is not on this machine.
    """
    from transformers import CLIPTokenizer

    beside = place.parent / "tokenizer"
    name = given or (str(beside) if beside.is_dir() else TOKENIZER)
    try:
        with quiet("transformers"):
            found = CLIPTokenizer.from_pretrained(name, local_files_only=offline)
        if len(found) < LETTERS:
            raise OSError(f"{name} has no vocabulary")  # transformers 5 makes an empty one of a name it cannot find
        return found
    except OSError as error:
        carried = None if given else packaged()
        if carried is not None:
            return from_merges(carried)
        raise _absent(name, place) from error


def check(given: str, place: Path, offline: bool) -> None:
    """Raises what `tokenizer` would raise; nothing is loaded or fetched. Online, the hub has it."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    beside = place.parent / "tokenizer"
    name = given or (str(beside) if beside.is_dir() else TOKENIZER)
    folder = Path(name).expanduser()
    if folder.is_dir():
        there = all((folder / file).is_file() for file in ("vocab.json", "merges.txt"))
    else:
        try:
            # asked first: a name that no hub has is wrong with a network too
            there = isinstance(try_to_load_from_cache(name, "vocab.json"), str) or not offline
        except HFValidationError:
            there = False
    if not there and (given or packaged() is None):
        raise _absent(name, place)


def _absent(name: str, place: Path) -> CurateError:
    wrong = Path(name).expanduser().exists() or not is_hub_name(name)
    return (InputError if wrong else MissingError)(
        f"no CLIP tokenizer for {place.name}: {name} is not available",
        "give a folder with vocab.json and merges.txt as tokenizer, or install open_clip_torch, which carries one",
    )


def packaged() -> Path | None:
    """The merges that an installed package carries; nothing of the package is run."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            if (Path(folder) / CARRIED).is_file():
                return Path(folder) / CARRIED
    return None


def from_merges(path: Path) -> Any:
    """CLIP's tokenizer from its merges: ids are bytes, bytes that end a word, merges in their order, start and end."""
    from transformers import CLIPTokenizer

    with gzip.open(path, "rt", encoding="utf-8") as file:
        merges = [line for line in file.read().split("\n")[1 : MERGES + 1] if line]
    letters = _letters()
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair.split()) for pair in merges)]
    vocabulary = {word: i for i, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    with tempfile.TemporaryDirectory() as work, quiet("transformers"):
        (Path(work) / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        (Path(work) / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
        (Path(work) / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77}), encoding="utf-8")
        return CLIPTokenizer.from_pretrained(work, local_files_only=True)


def _letters() -> list[str]:
    """A visible letter for each byte, in the order of GPT-2's table: printable ones first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
