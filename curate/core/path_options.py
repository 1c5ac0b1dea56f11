"""Path options: which options name a file or folder, and what a relative one in a pipeline file is meant from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_SUFFIXES = (
    ".safetensors",
    ".ckpt",
    ".pt",
    ".pth",
    ".bin",
    ".onnx",
    ".csv",
    ".json",
    ".jsonl",
    ".parquet",
    ".toml",
    ".txt",
)


@dataclass(frozen=True, slots=True)
class PathOption:
    """Marks an option, or the members of a list, as naming a file or folder.

    names      it may be a hub name too (owner/model)
    carried    names of what the package carries; they go before a file or folder of the same name
    hub_files  a hub name may go on to a file (owner/model/file.safetensors)
    """

    names: bool = False
    carried: tuple[str, ...] = ()
    hub_files: bool = False

    def resolve(self, value: str, folder: Path) -> str:
        """The value as the stage takes it: a relative path is meant from `folder`, a name stays a name."""
        if not value or value in self.carried or (self.names and not self._is_path(value, folder)):
            return value
        return str((folder / Path(value.replace("\\", "/") if _windows(value) else value).expanduser()).resolve())

    def _is_path(self, value: str, folder: Path) -> bool:
        if value.startswith((".", "~", "/")) or "\\" in value or Path(value).is_absolute():
            return True
        if (folder / value).exists():
            return True
        slashes = value.count("/")
        if self.hub_files and slashes == 2:
            return False
        return value.lower().endswith(_SUFFIXES) or slashes > (2 if self.hub_files else 1)


FilePath = Annotated[str, PathOption()]
"""A file or folder on disk."""

ModelName = Annotated[str, PathOption(names=True)]
"""A file or folder on disk, a name that we carry, or a hub name."""

HubFileName = Annotated[str, PathOption(names=True, hub_files=True)]
"""As ModelName; a hub name may go on to a file of the model."""

TagTable = Annotated[str, PathOption(names=True, carried=("danbooru", "e621", "none"))]
"""A tag table by name, or a file or folder of exports."""


def path_option(info: FieldInfo) -> PathOption | None:
    """How a field, or the members of its list, name paths; None where they are none."""
    for one in (*info.metadata, *_metadata(info.annotation)):
        if isinstance(one, PathOption):
            return one
    return PathOption() if Path in _types(info.annotation) else None


def resolve_paths(model: type[BaseModel], options: Any, folder: Path) -> Any:
    """The options of a pipeline file with their relative paths meant from `folder`; whatever else they hold stays."""
    if not isinstance(options, Mapping):
        return options
    return {name: _resolved(model, name, value, folder) for name, value in options.items()}


def _resolved(model: type[BaseModel], name: str, value: Any, folder: Path) -> Any:
    info = model.model_fields.get(name)
    if info is None:
        return value
    option = path_option(info)
    if option is not None:
        values = value if isinstance(value, list) else [value]
        resolved = [option.resolve(v, folder) if isinstance(v, str) else v for v in values]
        return resolved if isinstance(value, list) else resolved[0]
    if info.annotation == dict[str, dict[str, Any]] and isinstance(value, Mapping):
        # the stage's own options again, by concept
        return {concept: resolve_paths(model, own, folder) for concept, own in value.items()}
    return value


def _windows(value: str) -> bool:
    return value.startswith((".\\", "..\\"))


def _types(annotation: Any) -> Sequence[Any]:
    inner = get_args(annotation)
    return [annotation, *(t for a in inner for t in _types(a))]


def _metadata(annotation: Any) -> Sequence[Any]:
    own = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return [*own, *(m for a in get_args(annotation) for m in _metadata(a))]
