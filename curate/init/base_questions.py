"""Asks for the base model: which one, of what family, whether it is distilled, and files that stand beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from curate.diffusion import distilled, locate
from curate.diffusion.family import families
from curate.diffusion.family import family as family_named
from curate.errors import InputError, MissingError
from curate.init.answers import Given, home
from curate.init.asker import Asker
from curate.init.bases import Base, base_of, common, on_disk

FILES: dict[str, tuple[str, Callable[[str, bool], list[Path]]]] = {
    "text_encoder": ("Text encoder", locate.text_encoder_files),
    "vae": ("VAE", locate.vae_files),
}
"""Options that name what a file of the network alone lacks, what people call it, and how it is found."""


def base_answers(given: Given, asker: Asker) -> tuple[str, str | None, bool | None]:
    """The base model; its family where its name does not tell it; False where the user says it is not distilled.

    A wrong answer is told and asked for again.
    """
    family = given.family if given.family is None else family_named(given.family).name
    while True:
        base = given.base or asker.text(
            f"Base model: a file, a folder, a hub name ({next(iter(common()))}), or toy to try things out", "toy"
        )
        try:
            known = base_of(base, family)
            if known is None:
                family = asker.choice(
                    f"The name {base} does not show its family. Which one is it",
                    list(families()),
                    None,
                    f"give --family: {', '.join(families())}",
                )
                known = base_of(base, family)
            return base, family, _distilled(known, given, asker) if known else None
        except InputError as error:
            if given.base or not asker.interactive:
                raise
            asker.tell(str(error))


def _distilled(base: Base, given: Given, asker: Asker) -> bool | None:
    """Whether the user had to say that it is not; None where the name or the folder says so. Raises InputError."""
    own = base.declaration
    place = home(base.name) if on_disk(base.name) else None
    if not own.distilled or distilled.is_distilled(own, base.name, place) is not None:
        return None
    if not given.not_distilled:
        question = (
            f"{own.title} and its variant distilled to few steps (Turbo, Lightning) have the same layers, and "
            f"{base.name} does not say which it is. Is it the distilled one"
        )
        if asker.choice(question, ("yes", "no"), None, "give --no-distilled if it is not") == "yes":
            raise distilled.refusal(own, base.name)
    return False


def file_answers(base: str, family: str | None, given: Given, asker: Asker) -> dict[str, str]:
    """What stands beside a file of the network alone, by option; of other bases what was given."""
    said = {"text_encoder": given.text_encoder, "vae": given.vae, "tokenizer": given.tokenizer}
    named = {option: value for option, value in said.items() if value}
    known = base_of(base, family)
    if known is None or not known.declaration.stored_text or not home(base).is_file():
        return named
    title, usual = known.title, next(iter(known.declaration.common), "")
    for option, (what, find) in FILES.items():
        while True:
            value = named.get(option) or asker.text(f"{what} of {title}: a file, a folder or a hub name", usual)
            try:
                find(str(home(value)) if on_disk(value) else value, True)
            except MissingError:  # the hub may have it
                pass
            except InputError as error:
                if option in named or not asker.interactive:
                    raise
                asker.tell(str(error))
                continue
            named[option] = value
            break
    return named


def named_from(name: str, target: Path) -> str:
    """A model as the pipeline file must name it: a relative path is absolute where that file stands elsewhere."""
    elsewhere = target.absolute().parent != Path.cwd()
    return str(home(name).absolute()) if elsewhere and on_disk(name) and not name.startswith("~") else name
