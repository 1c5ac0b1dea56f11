"""From any mode and profile to opaque 8-bit sRGB."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from curate.core.stage import Pixels
from curate.images import depth

_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def flatten(image: Image.Image, background: tuple[int, int, int], facts: dict[str, Any]) -> Pixels:
    """H×W×3 sRGB of a loaded picture, transparent parts on the background; notes had_alpha, profile and the like."""
    profile = image.info.get("icc_profile")
    if depth.is_deep(image):
        gray = depth.to_gray(image, facts)
        alpha = _matching(image)
        image = Image.fromarray(gray)
    elif exact := depth.exact_colours(image):
        image, alpha = Image.fromarray(np.ascontiguousarray(exact[0])), exact[1]
        facts["depth"] = 16
    else:
        image, alpha = _plain(image)
    image = _to_srgb(image, profile if isinstance(profile, bytes) else None, facts)
    return over(np.asarray(image), alpha, background, facts)


def over(rgb: Pixels, alpha: NDArray[np.uint8] | None, background: tuple[int, int, int], facts: dict[str, Any]) -> Pixels:
    """Composites straight alpha on a colour: round((rgb·a + background·(255-a)) / 255), in sRGB values as browsers do."""
    facts["had_alpha"] = alpha is not None and bool((alpha < 255).any())
    if alpha is None or not facts["had_alpha"]:
        return rgb
    facts["transparent"] = round(float((alpha == 0).mean()), 4)
    a = alpha.astype(np.uint16)[:, :, None]
    total = rgb * a + np.asarray(background, np.uint16) * (255 - a) + np.uint16(128)
    return ((total + (total >> 8)) >> 8).astype(np.uint8)


def _plain(image: Image.Image) -> tuple[Image.Image, NDArray[np.uint8] | None]:
    """The picture in one of L, RGB, CMYK, LAB, without its alpha, and the alpha."""
    if image.mode in ("L", "RGB", "CMYK", "LAB") and not image.has_transparency_data:
        return image, None
    if image.mode == "1" and not image.has_transparency_data:
        return image.convert("L"), None
    if image.has_transparency_data or image.mode in ("RGBa", "La"):
        gray = image.mode in ("L", "LA", "La", "1")
        both = image.convert("LA" if gray else "RGBA")
        return both.convert("L" if gray else "RGB"), np.asarray(both.getchannel("A"))
    return image.convert("RGB"), None


def _matching(image: Image.Image) -> NDArray[np.uint8] | None:
    """Alpha of a deep grey PNG in which one value is declared transparent."""
    value = image.info.get("transparency")
    if not isinstance(value, int):
        return None
    return np.where(np.asarray(image) == value, 0, 255).astype(np.uint8)


def _to_srgb(image: Image.Image, profile: bytes | None, facts: dict[str, Any]) -> Image.Image:
    facts["profile"] = ""
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _lab()) or image
    if profile:
        try:
            name, space, identity = _described(profile)
            facts["profile"] = name
            if space != image.mode and space == "RGB":
                image = image.convert("RGB")
            if space == image.mode and not identity:
                return ImageCms.applyTransform(image, _transform(profile, space)) or image
            if space != image.mode:
                facts["profile_error"] = f"a profile for {space or 'another space'} in a picture of mode {image.mode}"
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError, SyntaxError) as error:
            facts["profile_error"] = str(error) or type(error).__name__
    return image if image.mode == "RGB" else image.convert("RGB")


@functools.lru_cache(maxsize=32)
def _transform(profile: bytes, space: str) -> ImageCms.ImageCmsTransform:
    """To sRGB, relative colorimetric with black point compensation: what picture editors use."""
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        space,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


@functools.cache
def _lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


@functools.lru_cache(maxsize=32)
def _described(profile: bytes) -> tuple[str, str, bool]:
    """Name, Pillow mode ("" where there is none) and whether the profile is sRGB itself, so that nothing need be done."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    name = ImageCms.getProfileDescription(opened).strip().replace("\0", "")
    space = _SPACES.get(str(getattr(opened.profile, "xcolor_space", "")), "")
    return name, space, space == "RGB" and _is_identity(profile)


def _is_identity(profile: bytes) -> bool:
    """Whether the transform leaves a lattice of 17³ colours and all greys as they are."""
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    colours = np.concatenate([lattice, ramp])[None]
    after = ImageCms.applyTransform(Image.fromarray(colours), _transform(profile, "RGB"))
    return after is not None and np.array_equal(np.asarray(after), colours)
