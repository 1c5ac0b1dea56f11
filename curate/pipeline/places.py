"""Places: `input:` and `output:` of a pipeline as folders on this disk and addresses of stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from curate import storage
from curate.core.plain_words import describe
from curate.core.registry import closest
from curate.names import folder_name
from curate.pipeline.options import SAMPLE, RunOptions
from curate.pipeline.reader import Reader
from curate.scan import would_overwrite_sources


def inputs_of(reader: Reader, values: Mapping[str, Any], base: Path) -> list[Path | str]:
    """The inputs: folders and archives on this disk, and addresses as text."""
    given = values.get("input")
    if given is None:
        reader.problem((), "input: is missing: a folder with one sub-folder per concept")
        return []
    folders: list[Path | str] = []
    rows = given if isinstance(given, list) else [given]
    for i, one in enumerate(rows):
        where: tuple[str | int, ...] = ("input", i) if isinstance(given, list) else ("input",)
        if not isinstance(one, str) or not one.strip():
            reader.problem(where, f"input: takes a folder or a list of folders, found {describe(one)}")
            continue
        if one == SAMPLE:
            from curate import samples

            folders.append(samples.folder())
            continue
        if storage.is_address(one):
            if message := storage.problem(one):
                reader.problem(where, f"input: {message}")
            folders.append(storage.normalized(one))
            continue
        folder = base / Path(one).expanduser()
        if not folder.is_dir() and not (folder.is_file() and storage.is_archive(folder.name)):
            reader.problem(
                where,
                f"input folder {folder} {'is not a folder' if folder.exists() else 'does not exist'}"
                f"{_address_meant(one) or _similar(folder)}",
            )
        elif other := next((known for known in folders if _overlap(folder, known)), None):
            reader.problem(where, f"input folder {folder} {_is_or_lies_in(folder, other)}")
        folders.append(folder)
    if not rows:
        reader.problem(("input",), "input: lists no folder")
    return folders


def _overlap(folder: Path, other: Path | str) -> bool:
    """Whether two inputs share pictures: the same place, or a folder in the other.

    The pictures of an archive are not those of its folder.
    """
    if isinstance(other, str) or folder.is_dir() != other.is_dir():
        return False
    one, two = folder.resolve(), other.resolve()
    return one == two or one in two.parents or two in one.parents


def _is_or_lies_in(folder: Path, other: Path | str) -> str:
    whole = Path(other).resolve()
    if folder.resolve() == whole:
        return f"is the same as {other}, so each of its pictures would come twice: name it once"
    inner, outer = (folder, other) if whole in folder.resolve().parents else (other, folder)
    return f"and {other} overlap: the pictures of {inner} would come twice, because they are in {outer} too"


def _address_meant(given: str) -> str:
    meant = storage.misspelled(given)
    return f': did you mean "{meant}"?' if meant else ""


def _similar(folder: Path) -> str:
    try:
        names = [p.name for p in folder.parent.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except OSError:
        return ""
    close = closest(folder.name, names)
    return f': did you mean "{close}"?' if close else ""


def output_of(reader: Reader, values: Mapping[str, Any], base: Path, inputs: Sequence[Path | str]) -> Path | str:
    """The output: a folder, or an address as text."""
    given = values.get("output")
    if not isinstance(given, str) or not given.strip():
        found = "is missing" if given is None else f"must be a folder, found {describe(given)}"
        reader.problem(("output",) if "output" in values else (), f"output: {found}: everything is written under it")
        return base
    if storage.is_address(given):
        return _address(reader, storage.normalized(given), inputs)
    if meant := _address_meant(given):
        reader.problem(("output",), f"output {given} is no address{meant}")
    output = base / Path(given).expanduser()
    if output.exists() and not output.is_dir():
        reader.problem(("output",), f"output {output} is a file: choose a folder")
    for i, folder in enumerate(inputs):
        if isinstance(folder, str):
            continue
        if folder.exists() and (output.resolve() == folder.resolve() or output.resolve() in folder.resolve().parents):
            what = f"is or holds the input {folder}"
        elif would_overwrite_sources(output, folder):
            what = f"is a folder of source pictures in the input {folder}"
        else:
            continue
        message = f"output {output} {what}: sources are never modified, choose another folder"
        reader.problem(("output",), message, beside=("input", i))
    return output


def _address(reader: Reader, output: str, inputs: Sequence[Path | str]) -> str:
    if message := storage.problem(output, writes=True):
        reader.problem(("output",), f"output: {message}")
    for i, one in enumerate(inputs):
        if isinstance(one, str) and f"{one}/".startswith(f"{output}/"):
            message = f"output {output} is or holds the input {one}: sources are never modified, choose another address"
            reader.problem(("output",), message, beside=("input", i))
        elif isinstance(one, str) and f"{output}/".startswith(f"{one}/"):
            message = f"output {output} is in the input {one}: the next run would read it as pictures, choose another"
            reader.problem(("output",), message, beside=("input", i))
    return output


def work_of(reader: Reader, base: Path, options: RunOptions | None, destination: str) -> Path:
    """The folder of this disk in which an output with an address is prepared."""
    given = options.work if options else ""
    if given and not destination:
        message = "run.work: has no effect, because output is a folder: leave it out"
        reader.problem(("run", "work"), message, beside=("output",))
    if not destination:
        return base
    return base / Path(given).expanduser() if given else storage.work_folder(destination)


def origins_of(
    reader: Reader, inputs: Sequence[Path | str], destination: str, concepts: Iterable[str]
) -> dict[str, str]:
    """Where each address and each name under `concepts:` stands, as messages begin."""
    origins = {one: reader.origin(("input", i)) for i, one in enumerate(inputs) if isinstance(one, str)}
    if destination:
        origins[destination] = reader.origin(("output",))
    for name in concepts:  # 10_dog is the concept dog
        origins[name] = origins[folder_name(name).name] = reader.origin(("concepts", name), at_key=True)
    return origins


def all_here(inputs: Sequence[Path | str]) -> bool:
    """Whether the folders of the pictures are on this disk, neither in a store nor in archives."""
    return all(isinstance(one, Path) and not storage.local_archives(one) for one in inputs)
