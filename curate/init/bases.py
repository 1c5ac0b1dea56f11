"""Base models by name: the family, how a base is prompted, and the hub names of common ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curate.core import registry
from curate.diffusion import distilled, foreign
from curate.diffusion.base_names import family_of_name
from curate.diffusion.family import Family, families, family, titles
from curate.diffusion.locate import EMBEDDED
from curate.errors import InputError
from curate.init.answers import home

Prompting = Literal["natural", "danbooru", "e621"]

_E621 = re.compile(r"e621|furry|yiff|fluffyrock|lodestone|yiffy|seaart")
_DANBOORU = re.compile(
    r"pony|illustrious|noob|animagine|anime|anything|counterfeit|abyssorange|meina|hassaku|wai|nova|mistoon|waifu"
)


@dataclass(frozen=True, slots=True)
class Base:
    """A base model: what the trainer calls it, its family, how it is prompted, whether it predicts v."""

    name: str
    family: str
    prompting: Prompting
    predicts_v: bool = False

    @property
    def declaration(self) -> Family:
        """What its family declares."""
        return family(self.family)

    @property
    def title(self) -> str:
        """The family as people write it."""
        return self.declaration.title


def base_of(name: str, wanted: str | None = None) -> Base | None:
    """What is known of a base: from its files where it is on disk, else from its name; None without a family.

    `wanted` is the family by the user's word. Raises InputError for a base that cannot be trained, and for one that is
    neither on disk nor named as on the hub (owner/model).
    """
    predicts_v = re.search(r"v-?_?pred", name.lower()) is not None
    if name in EMBEDDED:
        known: str | None = next(iter(families()))  # they are of the oldest family
    elif on_disk(name):
        from curate.diffusion.detect import traits

        found = traits(str(home(name)), offline=True, family=wanted)
        known, predicts_v = found.family, found.prediction == "v"
    else:
        _check_name(name)
        # what the user says stands above what the name seems to say
        known = wanted or family_of_name(name)
    if wanted and known and wanted != known:
        raise InputError(f"{name} is {family(known).title}, not {family(wanted).title}", "leave out --family")
    if known is None:
        return None
    if distilled.is_distilled(family(known), name, home(name) if on_disk(name) else None):
        raise distilled.refusal(family(known), name)
    return Base(name, known, family(known).prompting or prompting_of(name), predicts_v)


def common() -> dict[str, str]:
    """Hub names of common bases and what they are. Pony and most merges are single files: give the path."""
    return {hub: what for one in families().values() for hub, what in one.common.items()}


def prompting_of(name: str) -> Prompting:
    """How a base is prompted, by the words in its name."""
    lowered = name.lower()
    if name in EMBEDDED:
        return "danbooru"
    if _E621.search(lowered):
        return "e621"
    return "danbooru" if _DANBOORU.search(lowered) else "natural"


def on_disk(name: str) -> bool:
    """Whether a base is a folder or a checkpoint on this machine."""
    try:
        return home(name).exists()
    except OSError:  # a name no file can have
        return False


def _check_name(name: str) -> None:
    if other := foreign.of_name(name):
        raise InputError(f"{name} looks like {other}, which cannot be trained", f"{titles()} models can")
    is_file = Path(name).suffix.lower() in (".safetensors", ".ckpt")
    if not is_file and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return
    if is_file or "/" in name or "\\" in name:
        raise InputError(f'base model "{name}" does not exist', "give the path of a checkpoint or diffusers folder")
    listed = "\n".join(f"  {hub}  ({what})" for hub, what in common().items())
    near = registry.nearest(name, list(EMBEDDED)) if name.startswith("t") else ""
    raise InputError(
        f'"{name}" is not a base model: give a file, a folder, or a hub name (owner/model). Common ones:\n{listed}',
        near if near.startswith("did") else "for Pony and most merges give the path of the .safetensors file",
    )
