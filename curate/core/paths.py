"""Paths: the files of many pictures, made as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol


class HasPath(Protocol):
    """Whatever knows its file."""

    @property
    def path(self) -> Path:
        """The file."""
        ...


class Paths(Sequence[Path]):
    """The files of pictures or masks, in their order: a million paths that are held need a gigabyte."""

    def __init__(self, owners: Sequence[HasPath]) -> None:
        self._owners = owners

    def __len__(self) -> int:
        return len(self._owners)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [one.path for one in self._owners[index]]
        return self._owners[index].path
