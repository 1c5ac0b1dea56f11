"""What a base model is, read off its configuration or its file's header: nothing of it is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curate.diffusion.locate import located
from curate.errors import InputError

RESOLUTION = {"sd1": 512, "sd2": 768, "sdxl": 1024}
"""Native resolution by family, where no configuration says another."""


@dataclass(frozen=True)
class Traits:
    """A base model's family (sd1, sd2, sdxl), native resolution and what it predicts; `prediction` is empty where unsaid."""

    family: str
    resolution: int
    prediction: Literal["epsilon", "v", ""]
    ztsnr: bool


def traits(base: str, offline: bool) -> Traits:
    """Raises InputError for what cannot be trained and MissingError for what is not on this machine."""
    place = located(base, offline)
    return _of_folder(place, base) if place.is_dir() else of_keys(keys(place), place)


def traits_of_family(family: str) -> Traits:
    """What most base models of a family are; SD 2.x comes with either prediction."""
    return Traits(family, RESOLUTION[family], "" if family == "sd2" else "epsilon", False)


def folder_family(index: dict[str, Any], base: str, linear: bool) -> str:
    """The family of a diffusers folder from its model_index.json. Raises InputError naming other pipelines."""
    kind = str(index.get("_class_name", "pipeline of no name"))
    if kind not in ("StableDiffusionPipeline", "StableDiffusionXLPipeline"):
        what = NAMES.get(kind.removesuffix("Pipeline"), f"a {kind}")
        raise InputError(f"{base} is {what}, which cannot be trained", "SD 1.x, SD 2.x and SDXL models can")
    # what tells SD 2 from SD 1 in a configuration: its transformers' projections are linear
    return "sdxl" if kind == "StableDiffusionXLPipeline" else "sd2" if linear else "sd1"


NAMES = {
    "StableDiffusion3": "Stable Diffusion 3",
    "Flux": "FLUX",
    "Flux2": "FLUX.2",
    "StableDiffusionXLImg2Img": "the SDXL refiner",
    "StableDiffusionInpaint": "an inpainting model",
    "StableDiffusionXLInpaint": "an inpainting model",
    "StableDiffusionInstructPix2Pix": "an editing model",
    "PixArtAlpha": "PixArt",
    "PixArtSigma": "PixArt Sigma",
    "Sana": "Sana",
    "AuraFlow": "AuraFlow",
    "Lumina": "Lumina",
    "Lumina2": "Lumina 2",
    "QwenImage": "Qwen-Image",
    "Chroma": "Chroma",
    "HunyuanDiT": "HunyuanDiT",
    "Kolors": "Kolors",
    "StableCascade": "Stable Cascade",
    "WuerstchenDecoder": "Würstchen",
    "Wan": "Wan",
    "ZImage": "Z-Image",
}
"""Pipelines of other families, as their users call them."""


def read_json(path: Path) -> dict[str, Any]:
    """A configuration; nothing where there is no such file. Raises InputError for what is no JSON."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}", "fetch the model again") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is no configuration: it holds a {type(found).__name__}", "fetch the model again")
    return found


def _of_folder(place: Path, base: str) -> Traits:
    unet, schedule = read_json(place / "unet" / "config.json"), read_json(place / "scheduler" / "scheduler_config.json")
    family = folder_family(read_json(place / "model_index.json"), base, bool(unet.get("use_linear_projection")))
    size = unet.get("sample_size")
    resolution = size * 8 if isinstance(size, int) else RESOLUTION[family]
    prediction = "v" if schedule.get("prediction_type") == "v_prediction" else "epsilon"
    return Traits(family, resolution, prediction, bool(schedule.get("rescale_betas_zero_snr")))


def keys(place: Path) -> list[str]:
    """Names of a checkpoint's tensors; of safetensors from the header alone. Raises InputError."""
    if place.suffix != ".safetensors":
        from curate.diffusion.checkpoint_file import read

        return list(read(place))
    try:
        with place.open("rb") as file:
            return [k for k in json.loads(file.read(int.from_bytes(file.read(8), "little"))) if k != "__metadata__"]
    except (ValueError, MemoryError, OverflowError) as error:
        raise InputError(f"{place} cannot be read as a checkpoint: {error}", "fetch it again") from error


def of_keys(names: Iterable[str], place: Path) -> Traits:
    """A checkpoint's traits from the names of its tensors and the .yaml beside it."""
    from curate.diffusion.checkpoint_file import family

    found = dict.fromkeys(names)
    kind = family(found, place.name)
    said = yaml_prediction(place)
    prediction = "v" if "v_pred" in found else said or ("" if kind == "sd2" else "epsilon")
    return Traits(kind, RESOLUTION[kind], prediction, "ztsnr" in found)


def yaml_prediction(place: Path) -> Literal["epsilon", "v", ""]:
    """What the .yaml beside a checkpoint says: v, epsilon, or nothing where there is none."""
    beside = place.with_suffix(".yaml")
    if not beside.is_file():
        return ""
    text = beside.read_text(encoding="utf-8", errors="replace").replace('"', "").replace("'", "")
    return "v" if "parameterization: v" in text else "epsilon"
