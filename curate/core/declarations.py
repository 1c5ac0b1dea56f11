"""Declarations: what the files of a registry say of themselves, read from their source without importing them.

An algorithm's file needs torch; help pages and checks need only what it declares. A class declares by one assignment in
its body, `declares = Kind(name=value, …)` with literal values, where `Kind` may be a subclass with other defaults; a
file without one is no entry of the registry.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from curate.core.registry import nearest
from curate.errors import CurateError, InputError


class Declaration(Protocol):
    """A frozen dataclass of plain values; the reader fills in the name, which is the file's."""

    @property
    def name(self) -> str:
        """The file's name with dashes, or the dotted path of a plug-in."""
        ...

    @property
    def order(self) -> int:
        """Its place in lists: a lower number comes first, equal ones go by name."""
        ...


T = TypeVar("T", bound=Declaration)


def declared(package: str, kind: type[T]) -> dict[str, T]:
    """Every declaration of a package by name, by `order`, then by name."""
    spec = importlib.util.find_spec(package)
    return _in_folders(tuple(map(str, (spec and spec.submodule_search_locations) or ())), kind)


def find(package: str, kind: type[T], name: str, what: str) -> T:
    """The declaration of that name: a file of the package, or a module at a dotted path.

    Raises InputError that names the nearest one.
    """
    known = declared(package, kind)
    if name in known:
        return known[name]
    if "." not in name:
        raise InputError(f'unknown {what} "{name}"', nearest(name, list(known)))
    try:
        spec = importlib.util.find_spec(name)
    except ImportError:
        spec = None
    made = _of_file(Path(spec.origin), kind, name) if spec and spec.origin else None
    if made is None:
        raise InputError(f'{what} "{name}" is not a module that declares {kind.__name__}', "a dotted name is a module")
    return made


def module_of(package: str, name: str) -> str:
    """The module that a name of a registry stands for."""
    return name if "." in name else f"{package}.{name.replace('-', '_')}"


def name_of(package: str, module: str) -> str:
    """The name in the registry of a module: its file's, or the whole dotted path of a plug-in."""
    folder, _, own = module.rpartition(".")
    return own.replace("_", "-") if folder == package else module


@cache
def _in_folders(folders: tuple[str, ...], kind: type[T]) -> dict[str, T]:
    files = sorted(path for folder in folders for path in Path(folder).glob("*.py"))
    found = [made for path in files if (made := _of_file(path, kind, path.stem.replace("_", "-"))) is not None]
    found.sort(key=lambda made: made.order)
    return {made.name: made for made in found}


def _of_file(path: Path, kind: type[T], name: str) -> T | None:
    """What a class in a file declares. Raises CurateError for a value that is no literal."""
    text = path.read_text(encoding="utf-8")
    kinds = {one.__name__: one for one in (kind, *kind.__subclasses__())}
    if not any(f"= {one}(" in text for one in kinds):
        return None
    for owner in ast.parse(text, str(path)).body:
        for line in owner.body if isinstance(owner, ast.ClassDef) else ():
            call = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in kinds:
                return _made(call, kinds[call.func.id], name, path)
    return None


def _made(call: ast.Call, kind: type[T], name: str, path: Path) -> T:
    values: dict[str, Any] = {}
    try:
        for keyword in call.keywords:
            values[str(keyword.arg)] = ast.literal_eval(keyword.value)
        return dataclasses.replace(kind(**values), name=name)  # type: ignore[type-var]
    except (ValueError, TypeError) as error:
        where = f"{path}:{call.lineno}"
        raise CurateError(f"{where}: {kind.__name__} is declared with literal values alone: {error}") from error
