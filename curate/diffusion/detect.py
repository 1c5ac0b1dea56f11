"""What a base model is, read off its configuration or its file's header: nothing of it is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curate.diffusion import foreign
from curate.diffusion.family import INDEXES, Family, Prediction, families, is_model, titles
from curate.diffusion.family import family as family_named
from curate.diffusion.locate import locate_base
from curate.errors import InputError


@dataclass(frozen=True)
class Traits:
    """A base model's family by name, native resolution and what it predicts; `prediction` is empty where unsaid."""

    family: str
    resolution: int
    prediction: Prediction | Literal[""]
    ztsnr: bool


def traits(base: str, offline: bool, family: str | None = None) -> Traits:
    """`family` is the one by the user's word: a plug-in is known by it alone.

    Raises InputError for what cannot be trained and MissingError for what is not on this machine.
    """
    place = locate_base(base, offline)
    if place.is_file() and is_model(place.parent.parent) and (place.parent / "config.json").is_file():
        raise InputError(f"{place} is one part of a model in diffusers' layout", f"give {place.parent.parent}")
    return _of_folder(place, base, family) if place.is_dir() else of_keys(keys(place), place, family)


def traits_of_family(name: str) -> Traits:
    """What most base models of a family are; some families come with either prediction, and theirs is unsaid."""
    found = family_named(name)
    return Traits(name, found.resolution, found.prediction, False)


def candidates(family: str | None) -> Iterable[Family]:
    """The families that a base may be of: the plug-in at a dotted path, then the others."""
    if family is not None and "." in family:
        yield family_named(family)
    yield from families().values()


def family_of_folder(place: Path, base: str, family: str | None = None) -> Family:
    """The family of a folder in diffusers' layout. Raises InputError naming other pipelines."""
    kind = str(index_of(place).get("_class_name", "pipeline without a name"))
    for found in candidates(family):
        if kind in found.pipelines and all(
            _fits(read_json(place / part / "config.json"), values) for part, values in found.configuration.items()
        ):
            return found
    raise InputError(f"{base} is {foreign.of_pipeline(kind)}, which cannot be trained", f"{titles()} models can")


def index_of(place: Path) -> dict[str, Any]:
    """What the index of a folder in diffusers' layout says; nothing where it has none."""
    return read_json(next((place / name for name in INDEXES if (place / name).is_file()), place / INDEXES[0]))


def _fits(configuration: dict[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a configuration has these values; what it is silent on is false."""
    return all((configuration.get(key) or False) == value for key, value in values.items())


QUANTIZED = (".scale_weight", ".weight_scale", ".comfy_quant", ".qweight", ".absmax", "scaled_fp8")
"""Endings of keys beside weights that are no numbers as they stand."""


def family_of_keys(names: Collection[str], file: str, family: str | None = None) -> Family:
    """The family of a checkpoint with these keys. Raises InputError that says what else the file is."""
    if quantized := next((key for key in names if key.endswith(QUANTIZED)), ""):
        remedy = "take the bf16 file; --base-precision shrinks it while training"
        raise InputError(f"{file} is quantized already: it holds {quantized}", remedy)
    for found in candidates(family):
        if any(key in names for key in found.keys) or fits_whole(found, names):
            if other := _relative(found, names, file):
                raise InputError(f"{file} is {other}, which cannot be trained", f"{titles()} can")
            return found
    if other := foreign.of_keys(names):
        raise InputError(f"{file} is {other}, which cannot be trained", f"{titles()} can")
    raise InputError(f"{file} is not a checkpoint of {titles('or')}")


def kind_of_keys(names: Collection[str]) -> str:
    """What kind of model a file with these keys is, in words; "" where they do not tell."""
    for found in families().values():
        if any(key in names for key in found.keys) or fits_whole(found, names):
            return f"a network of {found.title}"
    if any(name.startswith(("down_blocks.", "model.diffusion_model.input_blocks.")) for name in names):
        return "a UNet"
    texts = ("text_model.encoder.", "encoder.block.", "model.layers.", "model.language_model.layers.")
    return "a text encoder" if any(name.startswith(texts) for name in names) else foreign.of_keys(names)


def plain_key(key: str) -> str:
    """A key of a file of the network alone without the wrappers that programs put before it."""
    for wrapper in ("model.diffusion_model.", "net."):
        key = key.removeprefix(wrapper)
    return key


def fits_whole(family: Family, names: Collection[str]) -> bool:
    """Whether a file of the network alone is of a family: every mark is there, and every size that tells."""
    if not family.whole_keys:
        return False
    plain = {plain_key(name): name for name in names}
    marks = (any(k.startswith(m) for k in plain) if m.endswith(".") else m in plain for m in family.whole_keys)
    return all(marks) and all(_is_size(_size(names, plain.get(key)), size) for key, size in family.shapes.items())


def _relative(found: Family, names: Collection[str], file: str) -> str:
    """What a file is called that has a family's keys and is none of it; "" for one of the family itself."""
    plain = {plain_key(name): name for name in names}
    for mark, what in found.relatives.items():
        if any(key.startswith(mark) for key in plain):
            return what
    for key, (shape, what) in found.relative_shapes.items():
        if _size(names, plain.get(key)) == shape:
            return what
    told = (what for pattern, what in found.relative_names.items() if re.search(pattern, file.lower()))
    return next((f"{what} by its name" for what in told), "")


def _is_size(found: tuple[int, ...] | None, wanted: tuple[int, ...]) -> bool:
    """Whether a shape is as wanted, where 0 stands for any number; one that is not known is."""
    if found is None:
        return True
    return len(found) == len(wanted) and all(want in (0, size) for size, want in zip(found, wanted, strict=True))


def _size(names: Collection[str], key: str | None) -> tuple[int, ...] | None:
    """The shape of a tensor, where the keys come with shapes."""
    if key is None or not isinstance(names, Mapping):
        return None
    held: Any = names[key]
    return tuple(getattr(held, "shape", held) or ()) or None


def read_json(path: Path) -> dict[str, Any]:
    """A configuration; nothing where there is no such file. Raises InputError for what is no JSON."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}", "fetch the model again") from error
    if not isinstance(found, dict):
        raise InputError(
            f"{path} is not a configuration: it contains a {type(found).__name__}", "fetch the model again"
        )
    return found


def _of_folder(place: Path, base: str, family: str | None) -> Traits:
    found = family_of_folder(place, base, family)
    schedule = read_json(place / "scheduler" / "scheduler_config.json")
    size = read_json(place / found.core / "config.json").get("sample_size")
    resolution = size * 8 if isinstance(size, int) else found.resolution
    return Traits(found.name, resolution, prediction_of(found, schedule), bool(schedule.get("rescale_betas_zero_snr")))


def prediction_of(family: Family, schedule: Mapping[str, Any]) -> Prediction:
    """What a base predicts whose scheduler has this configuration."""
    if family.objective == "flow":
        return "flow"
    return "v" if schedule.get("prediction_type") == "v_prediction" else "epsilon"


def keys(place: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a checkpoint's tensors; of safetensors from the header alone. Raises InputError."""
    if place.suffix != ".safetensors":
        from curate.diffusion.checkpoint_file import read

        return {name: tuple(tensor.shape) for name, tensor in read(place).items()}
    try:
        with place.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, MemoryError, OverflowError, KeyError, TypeError, AttributeError) as error:
        said = "it does not begin with a list of its tensors, as safetensors do"
        raise InputError(f"{place} cannot be read as a checkpoint: {said}", "fetch it again") from error


def of_keys(held: Mapping[str, tuple[int, ...]], place: Path, family: str | None = None) -> Traits:
    """A checkpoint's traits from its tensors' names and shapes, and the .yaml beside it."""
    found = family_of_keys(held, place.name, family)
    prediction = "v" if "v_pred" in held else yaml_prediction(place) or found.prediction
    if found.objective == "flow":
        prediction = found.prediction
    return Traits(found.name, found.resolution, prediction, "ztsnr" in held)


def yaml_prediction(place: Path) -> Literal["epsilon", "v", ""]:
    """What the .yaml beside a checkpoint says: v, epsilon, or nothing where there is none."""
    beside = place.with_suffix(".yaml")
    if not beside.is_file():
        return ""
    text = beside.read_text(encoding="utf-8", errors="replace").replace('"', "").replace("'", "")
    return "v" if "parameterization: v" in text else "epsilon"
