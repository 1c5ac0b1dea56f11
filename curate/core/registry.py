"""Registry: a folder is a registry. Names come from file names; a dotted path is somebody's plug-in."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from curate.errors import InputError

if TYPE_CHECKING:
    from curate.core.stage import Stage

T = TypeVar("T")


def names(package: str) -> list[str]:
    """The names a package offers, sorted; nothing in it is imported. Files with a leading underscore are private."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return sorted(
        m.name.replace("_", "-")
        for m in pkgutil.iter_modules([str(Path(p)) for p in places])
        if not m.name.startswith("_")
    )


def names_schema(choices: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of an option that takes a registry's name, or the dotted path of a plug-in."""
    return {"anyOf": [{"enum": list(choices)}, {"type": "string", "pattern": r"\."}]}


_BEGINNING = 3
"""Letters by which a choice is known that begins with them."""


def nearest(name: str, choices: Sequence[str]) -> str:
    """ "did you mean …?" for a misspelt name, or the list of choices.

    A name that is a whole word of a choice means that one: "oft" is "diag-oft", though "boft" is spelled more alike.
    """
    close = closest(name, choices)
    return f'did you mean "{close}"?' if close else f"choose from: {', '.join(choices)}"


def closest(name: str, choices: Sequence[str]) -> str:
    """The choice that a misspelt name likely means; "" where none is near. Capitals and dashes do not matter."""
    if (same := _elsewhere(name)) in choices:
        return same
    plain = {_plain(choice): choice for choice in reversed(choices)}
    wanted = _plain(name)
    whole = [choice for choice in plain if wanted in choice.split("-")]
    begun = [choice for choice in plain if len(wanted) >= _BEGINNING and choice.startswith(wanted)]
    close = next((one for one in (whole, begun) if len(one) == 1), None)
    close = close or difflib.get_close_matches(wanted, plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else ""


_ELSEWHERE = {"dpm++2m": "dpmsolver++", "dpm++2s": "dpmsingle", "plms": "pndm", "eulera": "euler_a", "dpm2a": "dpm_2_a"}
"""Samplers by the names that A1111 and ComfyUI give them: they are spelled like others of ours."""


def _elsewhere(name: str) -> str:
    """What a name of another program's sampler, such as `DPM++ 2M Karras` or `dpmpp_2m`, is called here."""
    bare = re.sub("[-_ ]+", "", name.casefold()).replace("pp", "++")
    return _ELSEWHERE.get(bare.removesuffix("karras").removesuffix("exponential"), "")


def _plain(name: str) -> str:
    return re.sub("[-_ ]+", "-", name.strip().casefold())


def misnamed(name: str, known: Sequence[str], what: str) -> str:
    """What is wrong with a name that must be known or be a path on disk; "" where nothing is."""
    if name in known or Path(name).expanduser().exists():
        return ""
    if "/" in name or "\\" in name:
        return f'{what} "{name}" does not exist'
    return f'unknown {what} "{name}": {nearest(name, known)} (or give a path)'


def module(package: str, name: str, what: str) -> ModuleType:
    """Imports the file called `name` in `package`, or the module at a dotted path. Raises InputError."""
    if "." in name:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise InputError(
                f'{what} "{name}" cannot be imported: {error}', "a dotted name is an importable module"
            ) from error
    if name.replace("_", "-") not in names(package):
        raise InputError(f'unknown {what} "{name}"', nearest(name, names(package)))
    return importlib.import_module(f"{package}.{name.replace('-', '_')}")


def only_class(module: ModuleType, base: type[T]) -> type[T]:
    """The one public class of `base` that a module defines. Raises InputError where there is none or several."""
    classes = [
        c
        for c in vars(module).values()
        if isinstance(c, type)
        and issubclass(c, base)
        and c.__module__ == module.__name__
        and not c.__name__.startswith("_")
    ]
    if len(classes) != 1:
        raise InputError(f"{module.__name__} must define exactly one public {base.__name__}, found {len(classes)}")
    return classes[0]


def stage(name: str) -> type[Stage]:
    """The stage of that name: a file in curate/stages, or a dotted path to a module with one. Raises InputError."""
    from curate.core.stage import Stage  # loads pydantic, which a page of help does not need

    return only_class(module("curate.stages", name, "stage"), Stage)


def stage_summary(name: str) -> str:
    """The first line of a carried stage's docstring, read from its file: nothing is imported."""
    [folder] = importlib.util.find_spec("curate.stages").submodule_search_locations or [""]  # type: ignore[union-attr]
    source = Path(folder, name.replace("-", "_") + ".py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = [b.id for b in node.bases if isinstance(b, ast.Name)]
            if any(b.endswith("Stage") for b in bases):
                return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def stage_names() -> list[str]:
    """Names of all stages that curate carries."""
    return names("curate.stages")
