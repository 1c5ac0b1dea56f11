"""Reading weights without running anything that is in the file."""

from __future__ import annotations

import io
import pickle
import pickletools
import threading
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cleaners.errors import BadModelError, UnknownModelError, library_reason

_HARMLESS = ("torch", "torch._utils", "collections", "typing")
# filters of warnings belong to the process: two threads would put back each other's
_UNPICKLING = threading.Lock()
PICKLES = (".pth", ".pt", ".ckpt", ".bin")


def read_weights(path: Path) -> Mapping[str, Any]:
    """The tensors of a safetensors file or a PyTorch pickle, on the CPU.

    Pickles are read with torch's `weights_only`, which builds tensors and plain containers and calls nothing else.
    Raises UnknownModelError where there is no file and BadModelError where it is broken or holds anything else.
    """
    if not path.is_file():
        raise UnknownModelError(f"{path}: no such file", "give the path of a weights file, a hub name or a known model")
    if path.suffix.lower() == ".safetensors":
        return _safetensors(path)
    if path.suffix.lower() not in PICKLES:
        raise BadModelError(f"{path}: not a weights file", f"expected .safetensors, .onnx or {', '.join(PICKLES)}")
    return _pickle(path)


def _safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BadModelError(f"{path}: broken or truncated ({library_reason(error)})", "download it again") from error


def _pickle(path: Path) -> Mapping[str, Any]:
    import torch

    if _torchscript(path):
        raise BadModelError(
            f"{path}: a TorchScript program, which would have to be run to be read", "use its .pth or .safetensors"
        )
    try:
        with _UNPICKLING, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if foreign := _foreign(path):
            raise BadModelError(
                f"{path}: holds Python objects besides weights ({', '.join(foreign[:3])}) and was not opened",
                "use a .safetensors file, or weights from a source you trust",
            ) from error
        raise BadModelError(f"{path}: broken or truncated", "download it again") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise BadModelError(f"{path}: broken or truncated ({library_reason(error)})", "download it again") from error
    if not isinstance(found, Mapping):
        raise BadModelError(f"{path}: holds a {type(found).__name__}, not the weights of a network")
    return found


def _foreign(path: Path) -> list[str]:
    """What a pickle would import that no weights need, read off its opcodes without running them."""
    found: list[str] = []
    strings: list[str] = []
    memo: dict[Any, str] = {}
    try:
        for opcode, value, _ in _opcodes(path):
            if opcode in ("GLOBAL", "INST"):
                found.append(str(value).replace(" ", "."))
            elif opcode == "STACK_GLOBAL":
                found.append(".".join(strings[-2:]))
            elif opcode == "MEMOIZE" or opcode.endswith("PUT"):
                memo[len(memo) if value is None else value] = strings[-1] if strings else ""
            elif opcode.endswith("GET"):
                strings.append(memo.get(value, ""))
            elif isinstance(value, str):
                strings.append(value)
    except (ValueError, IndexError, KeyError, OSError, EOFError, StopIteration, zipfile.BadZipFile):
        pass
    return [name for name in dict.fromkeys(found) if name.rpartition(".")[0] not in _HARMLESS]


def _opcodes(path: Path) -> Iterator[tuple[str, Any, int | None]]:
    """The opcodes of data.pkl in a newer file, of the few pickles in a row that an older one begins with."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            streams = [io.BytesIO(archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl"))))]
    else:
        streams = [io.BytesIO(path.read_bytes())] * 5
    for stream in streams:
        for opcode, value, place in pickletools.genops(stream):
            yield opcode.name, value, place


def _torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.split("/", 1)[-1] == "constants.pkl" or "/code/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False
