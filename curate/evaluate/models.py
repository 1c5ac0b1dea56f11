"""The models that look at pictures: where their files are, what identifies them, under which license they come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curate.core.digests import FileDigests, file_digest, text_digest
from curate.diffusion.locate import is_hub_name, snapshot
from curate.errors import CurateError, InputError

Role = Literal["dino", "clip", "vgg"]


@dataclass(frozen=True, slots=True)
class Viewer:
    """A kind of model.

    types    `model_type` in its config.json; empty for a file of weights without one
    needs    files besides the weights
    weights  patterns of files that hold them, the best first
    repo, license, megabytes  of the usual one on the hub
    """

    title: str
    purpose: str
    repo: str
    license: str
    megabytes: int
    types: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    weights: tuple[str, ...] = ("*.safetensors", "pytorch_model*.bin")


VIEWERS: dict[Role, Viewer] = {
    "dino": Viewer(
        "DINOv2",
        "likeness of pictures",
        "facebook/dinov2-base",
        "Apache-2.0",
        346,
        ("dinov2", "dinov2_with_registers"),
        ("config.json", "preprocessor_config.json"),
    ),
    "clip": Viewer(
        "CLIP",
        "likeness of picture and prompt",
        "openai/clip-vit-base-patch32",
        "MIT",
        605,
        ("clip",),
        ("config.json", "preprocessor_config.json", "tokenizer_config.json"),
    ),
    "vgg": Viewer(
        "VGG19",
        "likeness of styles",
        "timm/vgg19.tv_in1k",
        "BSD-3-Clause",
        575,
        weights=("*.safetensors", "*.pth", "*.pt"),
    ),
}
_TOKENIZER = ("vocab.json", "merges.txt", "tokenizer.json", "special_tokens_map.json", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on disk: its folder, and the files of it that are used."""

    role: Role
    folder: Path
    files: tuple[Path, ...]

    @property
    def weights(self) -> Path:
        """The first file of weights."""
        return next(p for pattern in VIEWERS[self.role].weights for p in self.files if p.match(pattern))

    def digest(self, digests: FileDigests | None = None) -> str:
        """Identifies the model and how pictures are prepared for it."""
        return text_digest(*(f"{path.name}={file_digest(path, digests)}" for path in self.files))


def locate(role: Role, name: str, offline: bool) -> ModelFiles:
    """The model of a hub name, fetched unless offline, of a folder, or for VGG of a file.

    Raises InputError for what is no such model, MissingError for what is not on this machine.
    """
    viewer, place = VIEWERS[role], Path(name).expanduser()
    if place.is_file() and not viewer.needs:
        return ModelFiles(role, place.parent, (place,))
    if not place.is_dir():
        if not is_hub_name(name) or place.is_file():
            raise InputError(
                f'{role}: {viewer.title} "{name}" is not there',
                f"give a folder or a hub name (owner/model), such as {viewer.repo}",
            )
        place = _fetched(role, viewer, name, offline)
    return ModelFiles(role, place, tuple(_files(role, viewer, place)))


def _fetched(role: Role, viewer: Viewer, name: str, offline: bool) -> Path:
    """The files of a hub name. Pickles are fetched only where it has no safetensors, as OpenAI's CLIP B/32."""
    usual = [*viewer.needs, *(_TOKENIZER if role == "clip" else ())]
    place = snapshot(name, offline, [*usual, viewer.weights[0]], viewer.title)
    if offline or any(place.glob(viewer.weights[0])):
        return place
    return snapshot(name, offline, [*usual, *viewer.weights[1:]], viewer.title)


def is_installed(role: Role) -> bool:
    """Whether the usual model is on this machine."""
    try:
        locate(role, VIEWERS[role].repo, offline=True)
    except CurateError:
        return False
    return True


def _files(role: Role, viewer: Viewer, folder: Path) -> Sequence[Path]:
    """Raises InputError where the folder holds no such model."""
    weights = next((found for pattern in viewer.weights if (found := sorted(folder.glob(pattern)))), [])
    lacking = [name for name in viewer.needs if not (folder / name).is_file()]
    if lacking or not weights:
        absent = ", ".join([*lacking, *([] if weights else [" or ".join(viewer.weights)])])
        raise InputError(
            f"{role}: {folder} holds no {viewer.title}: it lacks {absent}",
            f"give the folder of a model such as {viewer.repo}",
        )
    if viewer.types and (kind := _model_type(folder / "config.json")) not in viewer.types:
        raise InputError(
            f'{role}: {folder} is a model of the type "{kind}", not {viewer.title}',
            f"give a model such as {viewer.repo}",
        )
    own = [folder / name for name in (*viewer.needs, *(_TOKENIZER if role == "clip" else ()))]
    return [*dict.fromkeys(path for path in own if path.is_file()), *weights]


def _model_type(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("model_type", ""))
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
