"""What the commands of `curate lora` look at before they work: all that is wrong with a command line at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.errors import InputError, MissingError

if TYPE_CHECKING:
    from curate.cli.usage_errors import Arguments
    from curate.lora.recipes import Recipe

Check = Callable[[], object]


def resize_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate lora resize`."""
    from curate.lora.recipes import bytes_of

    yield from (lambda path=path: _paths([path]) for path in given.each("file"))
    yield lambda: _base(given)
    yield from _each_recipe(given.each("recipe"))
    yield lambda: given["size"] is None or bytes_of(given["size"])
    yield lambda: _with_base(given, recipes_of(given, given["recipe"] or ()))
    yield lambda: _target(given, one_file=not _is_folder(given))


def merge_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate lora merge`."""
    from curate.lora.recipes import parse
    from curate.lora.weights import weighted

    yield from (lambda text=text: weighted(text) for text in given.each("loras"))
    yield lambda: _base(given)
    yield lambda: given["recipe"] is None or parse(given["recipe"])
    yield lambda: _recipes_of_merge(given)
    yield lambda: _target(given, one_file=given["base"] is None)


def extract_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate lora extract`."""
    from curate.lora.file import is_lora

    def model(name: str) -> None:
        if not is_lora(name):  # which the command itself says
            _located(name, given)

    yield from (lambda name=name: model(given[name]) for name in ("tuned", "base") if name not in given.wrong)
    yield lambda: _share(given)
    yield lambda: _target(given)


def convert_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate lora convert`."""
    from curate.lora.convert import check_fused

    yield lambda: _opened(given)
    yield lambda: check_fused(given["to"], given["fused"])
    yield lambda: _target(given, one_file=given["to"] != "peft")


def metadata_checks(given: Arguments) -> Iterator[Check]:
    """Of `curate lora metadata`."""
    from curate.cli.pairs import pair

    yield lambda: _opened(given)
    yield from (lambda text=text: pair(text, "--set") for text in given.each("values"))
    yield lambda: _where(given)


def _each_recipe(texts: Sequence[str]) -> Iterator[Check]:
    """Each by itself: what is wrong with one is known where another option is wrong."""
    from curate.lora.recipes import parse

    yield from (lambda text=text: parse(text) for text in texts)


def recipes_of(given: Arguments, texts: Sequence[str]) -> list[Recipe]:
    """The recipes that the options mean. Raises InputError."""
    from curate.lora.recipes import chosen

    options: list[Any] = [given[name] for name in ("rank", "conv_rank", "size", "rescale")]
    return chosen(texts, *options, with_base=given["base"] is not None)


def _recipes_of_merge(given: Arguments) -> None:
    if not (given["rank"] or given["recipe"]):
        return
    recipes = recipes_of(given, [given["recipe"]] if given["recipe"] else [])
    if given["base"] is not None and not recipes[0].needs_base:
        raise InputError("a base model has no ranks", "leave out --rank and --recipe, or --base")
    _with_base(given, recipes)


def _with_base(given: Arguments, recipes: Sequence[Recipe]) -> None:
    if given["base"] is None and (needy := next((one for one in recipes if one.needs_base), None)):
        raise InputError(f'recipe "{needy.text}" compares with the base model', "give it with --base")


def _share(given: Arguments) -> None:
    if given["rank"] is None and given["error"] is None:
        raise InputError("how much of the difference to keep is not said", "give --rank 32 or --error 0.05")


def _where(given: Arguments) -> None:
    changes = any(given[name] for name in ("values", "remove", "private", "strip"))
    if changes and given["out"] is None:
        raise InputError("where to write is not said", f"-o NEW.safetensors, or -o {given['file']} --force")
    if given["out"] is not None and not changes:
        raise InputError("--out has no effect without a change", "add --set, --remove, --private or --strip")
    _target(given)


def _paths(given: list[Path]) -> None:
    from curate.lora.file import lora_paths

    list(lora_paths(given))


def _is_folder(given: Arguments) -> bool:
    """Whether OUT is a folder: for several files or recipes, or because it is there."""
    from curate.lora.file import lora_paths

    out = given["out"]
    several = len(given["recipe"] or ()) > 1 or len(list(lora_paths(given["file"] or []))) > 1
    return several or (out is not None and out.is_dir())


def _opened(given: Arguments) -> None:
    if given["file"] is not None:
        from curate.lora.file import open_lora

        open_lora(str(given["file"]))


def _base(given: Arguments) -> None:
    if given["base"] is not None:
        _located(given["base"], given)


def _located(name: str, given: Arguments) -> None:
    """A base that is not there. What the hub may have is downloaded once nothing else is wrong."""
    from curate.diffusion.locate import locate_base

    try:
        locate_base(name, offline=True)
    except MissingError:
        if given["offline"]:
            raise


def _target(given: Arguments, *, one_file: bool = True) -> None:
    """A file that is there, or whose name no program reads; what is written as a folder is looked at later."""
    if given["out"] is not None and one_file:
        from curate.lora.output import check_target

        check_target(given["out"], bool(given["force"]))
