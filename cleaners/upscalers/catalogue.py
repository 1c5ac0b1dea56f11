"""Where upscaling models come from: a file on disk, a hub repository, or a known name with its digest."""

from __future__ import annotations

import contextlib
import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from cleaners.errors import BadModelError, MissingModelError, UnknownModelError
from cleaners.upscalers.hub import from_hub

_REAL = "https://github.com/xinntao/Real-ESRGAN/releases/download"
LANCZOS = "lanczos"
"""The one name that needs no model: plain interpolation by two."""


@dataclass(frozen=True, slots=True)
class Known:
    """A published file: `scale`, the SHA-256 of its bytes, its licence."""

    url: str
    sha256: str
    scale: int
    licence: str

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]


KNOWN: dict[str, Known] = {
    "4x-UltraSharp": Known(
        "https://huggingface.co/lokCX/4x-Ultrasharp/resolve/main/4x-UltraSharp.pth",
        "a5812231fc936b42af08a5edba784195495d303d5b3248c24489ef0c4021fe01",
        4,
        "CC-BY-NC-SA-4.0",
    ),
    "RealESRGAN_x4plus": Known(
        f"{_REAL}/v0.1.0/RealESRGAN_x4plus.pth",
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        4,
        "BSD-3-Clause",
    ),
    "RealESRGAN_x2plus": Known(
        f"{_REAL}/v0.2.1/RealESRGAN_x2plus.pth",
        "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
        2,
        "BSD-3-Clause",
    ),
    "RealESRGAN_x4plus_anime_6B": Known(
        f"{_REAL}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
        "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
        4,
        "BSD-3-Clause",
    ),
    "realesr-general-x4v3": Known(
        f"{_REAL}/v0.2.5.0/realesr-general-x4v3.pth",
        "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        4,
        "BSD-3-Clause",
    ),
    "realesr-general-wdn-x4v3": Known(
        f"{_REAL}/v0.2.5.0/realesr-general-wdn-x4v3.pth",
        "1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
        4,
        "BSD-3-Clause",
    ),
    "realesr-animevideov3": Known(
        f"{_REAL}/v0.2.5.0/realesr-animevideov3.pth",
        "b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
        4,
        "BSD-3-Clause",
    ),
}


def known(model: str) -> Known | None:
    """The entry of a known name, whatever its capitals."""
    return next((entry for name, entry in KNOWN.items() if name.lower() == model.lower()), None)


def find(model: str, *, offline: bool = False) -> Path:
    """The file of a model: a path, a known name, or `owner/repository/file` on the Hugging Face hub.

    Fetches what is not on disk unless `offline`. Raises UnknownModelError for what is none of these, MissingModelError
    where it cannot be had, BadModelError where the bytes are not the published ones.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if entry := known(model):
        return _fetch(entry, offline)
    parts = model.split("/")
    if len(parts) >= 3 and not path.is_absolute() and parts[0] not in (".", "..", "~") and "." in parts[-1]:
        return from_hub("/".join(parts[:2]), "/".join(parts[2:]), offline=offline)
    raise UnknownModelError(
        f"{model}: no such file and no known upscaler",
        f"known names: {', '.join(KNOWN)}; or owner/repository/file on the hub",
    )


def folder() -> Path:
    """Where fetched files are kept: $CURATE_MODELS, else in $CURATE_CACHE or the platform's cache folder."""
    if given := os.environ.get("CURATE_MODELS"):
        return Path(given) / "upscalers"
    cache = os.environ.get("CURATE_CACHE")
    return (Path(cache) if cache else user_cache_path("curate", appauthor=False)) / "upscalers"


def _fetch(entry: Known, offline: bool) -> Path:
    path = folder() / entry.file
    if path.is_file():
        return _verified(path, entry)
    if offline:
        raise MissingModelError(
            f"{entry.file} is not in {path.parent} and this run is offline", f"fetch {entry.url} into that folder"
        )
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(entry.url, timeout=60) as answer, part.open("wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
        _verified(part, entry)
        part.replace(path)
    except (urllib.error.URLError, OSError) as error:
        raise MissingModelError(
            f"{entry.file} cannot be fetched from {entry.url}: {error}", f"put it into {path.parent}"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def _verified(path: Path, entry: Known) -> Path:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != entry.sha256:
        raise BadModelError(
            f"{path}: its SHA-256 is {digest[:16]}…, published is {entry.sha256[:16]}…", "delete it and fetch it again"
        )
    return path
