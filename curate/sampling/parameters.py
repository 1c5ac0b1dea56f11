"""The text in a picture's file that A1111 writes and its users' readers show: prompt, negative prompt, settings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from curate.diffusion.locate import CHECKPOINTS
from curate.diffusion.samplers import title
from curate.sampling.emphasis import TITLES, Emphasis, has_syntax
from curate.sampling.settings import PictureSettings

_PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
"""A setting of the last line; in quotes where its value holds a comma or a colon."""
_NEGATIVE = "Negative prompt:"


@dataclass(frozen=True, slots=True)
class LoraTag:
    """A LoRA as a picture's text names it.

    sha256      of the file
    model_hash  sha256 of what follows the file's header, which A1111 and Civitai (AutoV3) call it by
    """

    name: str
    strength: float
    text_strength: float
    sha256: str
    model_hash: str


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a picture as its text names them; `sha256` is empty for a base that is no single file."""

    name: str = ""
    sha256: str = ""
    clip_skip: int = 1
    loras: tuple[LoraTag, ...] = ()
    emphasis: Emphasis = "original"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a text says: the settings by their names in it."""

    prompt: str
    negative: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


def model_name(base: str) -> str:
    """What people call a base: the name of its file without ending, of its folder, or of its place on the hub."""
    path = Path(base)
    return path.stem if path.suffix in CHECKPOINTS else path.name


def text(picture: PictureSettings, models: Models) -> str:
    """The text of a picture."""
    tags = "".join(_tag(lora) for lora in models.loras)
    values: dict[str, object] = {
        "Steps": picture.steps,
        "Sampler": title(picture.sampler),
        "Schedule type": "" if picture.spacing == "normal" else picture.spacing.title(),
        "CFG scale": f"{picture.guidance:g}",
        "CFG Rescale": f"{picture.guidance_rescale:g}" if picture.guidance_rescale else "",
        "Seed": picture.seed,
        "Size": f"{picture.width}x{picture.height}",
        "Model hash": models.sha256[:10],
        "Model": models.name,
        "Clip skip": models.clip_skip if models.clip_skip > 1 else "",
        "Emphasis": _emphasis(picture, models.emphasis),
        "Lora hashes": ", ".join(f"{lora.name}: {lora.model_hash[:12]}" for lora in models.loras),
    }
    pairs = [f"{name}: {_quoted(str(value))}" for name, value in values.items() if value != ""]
    hashes = {"model": models.sha256[:10]} if models.sha256 else {}
    hashes |= {f"lora:{lora.name}": lora.sha256[:10] for lora in models.loras}
    if hashes:  # Civitai's, which is in no quotes
        pairs.append(f"Hashes: {json.dumps(hashes, ensure_ascii=False)}")
    negative = [f"{_NEGATIVE} {picture.negative}"] if picture.negative else []
    return "\n".join([picture.prompt + tags, *negative, ", ".join([*pairs, "Version: curate"])])


def parse(text: str) -> Parameters:
    """What a text says, ours or another program's."""
    *lines, last = text.strip().split("\n")
    pairs = _PAIR.findall(last)
    if len(pairs) < 3:  # as A1111 tells a line of settings from one of the prompt
        lines, pairs = [*lines, last], []
    start = next((n for n, line in enumerate(lines) if line.strip().startswith(_NEGATIVE)), len(lines))
    negative = "\n".join(lines[start:]).strip().removeprefix(_NEGATIVE).strip()
    settings = {name: _unquoted(value) for name, value in pairs}
    return Parameters("\n".join(lines[:start]).strip(), negative, settings)


def _emphasis(picture: PictureSettings, emphasis: Emphasis) -> str:
    """As A1111 writes it: where a prompt has brackets, and not for the usual one."""
    return TITLES[emphasis] if emphasis != "original" and has_syntax(picture.prompt + picture.negative) else ""


def _tag(lora: LoraTag) -> str:
    """A1111 takes the text encoder's strength first, and the UNet's behind it where it is another."""
    if lora.text_strength == lora.strength:
        return f" <lora:{lora.name}:{lora.strength:g}>"
    return f" <lora:{lora.name}:{lora.text_strength:g}:{lora.strength:g}>"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(mark in value for mark in ',:\n"') else value


def _unquoted(value: str) -> str:
    if not (value.startswith('"') and value.endswith('"')):
        return value.strip()
    try:
        return str(json.loads(value))
    except ValueError:
        return value
