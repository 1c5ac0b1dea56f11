"""From any mode and profile to opaque 8-bit sRGB, strip by strip."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from curate.core.stage import Pixels
from curate.images.decode import bit_depth, declared_colors, pillow_memory
from curate.images.decode.calibration import Calibration

_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}

# pixels worked on at once: a strip of them and its temporaries stay in the processor's cache
_STRIP = 1 << 18

Alpha = NDArray[np.uint8]


def flatten(image: Image.Image, background: tuple[int, int, int], facts: dict[str, Any], into: Pixels) -> None:
    """Writes the loaded picture into `into`, H×W×3: sRGB, transparent parts on the background.

    Notes the facts had_alpha, transparent, depth, gamma, cicp, cicp_error, tone_mapped, profile and profile_error.
    """
    calibration, profile_is_void = declared_colors.of(image, facts)
    if profile_is_void:
        image.info.pop("icc_profile", None)
    image, alpha = _shallow(image, facts, calibration)
    # what was deep has been calibrated in its full depth
    if calibration is None or "depth" in facts:
        convert = _to_srgb(image, facts)
    else:
        convert = _Calibrated(_measured(calibration, image), facts)
    facts["had_alpha"] = False
    as_it_is = image.mode == "RGB" and alpha is None and convert.idle and not image.has_transparency_data
    if as_it_is and pillow_memory.whole_into(image, into):
        return
    height, width = into.shape[:2]
    rows = max(1, _STRIP // width)
    clear = veiled = 0
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip, cover = _plain(image.crop((0, top, width, bottom)))
        if alpha is not None:
            cover = alpha[top:bottom]
        pillow_memory.rgb_into(convert(strip), into[top:bottom])
        if cover is not None and (cover < 255).any():
            veiled += 1
            clear += int((cover == 0).sum())
            into[top:bottom] = over(into[top:bottom], cover, background)
    if veiled:
        facts["had_alpha"] = True
        facts["transparent"] = round(clear / (height * width), 4)


def over(rgb: Pixels, alpha: Alpha, background: tuple[int, int, int]) -> Pixels:
    """Composites straight alpha on a colour: round((rgb·a + background·(255-a)) / 255), in sRGB as browsers do."""
    a = alpha.astype(np.uint16)[:, :, None]
    total = rgb * a + np.asarray(background, np.uint16) * (255 - a) + np.uint16(128)
    return ((total + (total >> 8)) >> 8).astype(np.uint8)


def _shallow(
    image: Image.Image, facts: dict[str, Any], calibration: Calibration | None
) -> tuple[Image.Image, Alpha | None]:
    """The picture in 8 bits; where its depth had to be taken from it, its alpha apart."""
    info = {k: v for k, v in image.info.items() if k == "icc_profile"}
    if bit_depth.is_deep(image):
        alpha = _matching(image)
        gray = bit_depth.to_gray(image, facts)
        if calibration is not None and facts.get("depth") == 16:
            gray = _deep(calibration, np.asarray(image).astype(np.uint16))
        shallow = Image.fromarray(gray)
    elif exact := bit_depth.exact_colours(
        image, functools.partial(_deep, calibration) if calibration else bit_depth.scale_16
    ):
        facts["depth"] = 16
        shallow, alpha = Image.fromarray(np.ascontiguousarray(exact[0])), exact[1]
    else:
        return image, None
    shallow.info = info
    return shallow, alpha


def _deep(calibration: Calibration, values: NDArray[np.uint16]) -> Pixels:
    return calibration.measured(values).to_srgb(values)


def _measured(calibration: Calibration, image: Image.Image) -> Calibration:
    """The calibration for this picture; only a high range has to look at it for that."""
    return calibration if calibration.high_range is None else calibration.measured(np.asarray(_plain(image)[0]))


def _matching(image: Image.Image) -> Alpha | None:
    """Alpha of a deep grey PNG in which one value is declared transparent."""
    value = image.info.get("transparency")
    if not isinstance(value, int):
        return None
    return np.where(np.asarray(image) == value, 0, 255).astype(np.uint8)


def _plain(image: Image.Image) -> tuple[Image.Image, Alpha | None]:
    """The picture in one of L, RGB, CMYK, LAB, without its alpha, and the alpha."""
    if image.has_transparency_data or image.mode in ("RGBa", "La"):
        gray = image.mode in ("L", "LA", "La", "1")
        both = image.convert("LA" if gray else "RGBA")
        return both.convert("L" if gray else "RGB"), np.asarray(both.getchannel("A"))
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


class _Converter:
    """Takes a strip in L, RGB, CMYK or LAB to sRGB."""

    def __init__(self, transform: ImageCms.ImageCmsTransform | None = None, mode: str = "") -> None:
        self._transform, self._mode = transform, mode
        self.idle = transform is None  # nothing is done to RGB

    def __call__(self, strip: Image.Image) -> Image.Image:
        if self._transform is None:
            return strip if strip.mode == "RGB" else strip.convert("RGB")
        strip = strip if strip.mode == self._mode else strip.convert(self._mode)
        return ImageCms.applyTransform(strip, self._transform) or strip


class _Calibrated:
    """Takes a strip of a picture that declares its colours by numbers to sRGB."""

    def __init__(self, calibration: Calibration, facts: dict[str, Any]) -> None:
        self._calibration = calibration
        self.idle = False
        facts["profile"] = ""

    def __call__(self, strip: Image.Image) -> Image.Image:
        return Image.fromarray(self._calibration.to_srgb(np.asarray(strip))).convert("RGB")


def _to_srgb(image: Image.Image, facts: dict[str, Any]) -> _Converter:
    facts["profile"] = ""
    if image.mode == "LAB":
        return _Converter(_lab(), "LAB")
    profile = image.info.get("icc_profile")
    if not profile or not isinstance(profile, bytes):
        return _Converter()
    try:
        name, space, identity = _described(profile)
        facts["profile"] = name
        mode = _plain(image.crop((0, 0, 1, 1)))[0].mode
        # a colour profile on a grey picture means its colours with all channels alike
        if space != mode and not (space == "RGB" and mode == "L"):
            facts["profile_error"] = f"a profile for {space or 'another space'} in a picture of mode {mode}"
            return _Converter()
        return _Converter() if identity else _Converter(_transform(profile, space), space)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, SyntaxError) as error:
        facts["profile_error"] = str(error) or type(error).__name__
        return _Converter()


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
    """Name, Pillow mode ("" where there is none) and whether the profile is sRGB itself, and needs nothing."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    name = ImageCms.getProfileDescription(opened).strip().replace("\0", "")
    space = _SPACES.get(str(getattr(opened.profile, "xcolor_space", "")), "")
    return name, space, space == "RGB" and _is_identity(profile)


def _is_identity(profile: bytes) -> bool:
    """Whether the transform leaves a lattice of 17³ colours and all greys as they are, to within one step.

    Profiles that call themselves sRGB differ from one another, and from the transform's own rounding, by that much.
    """
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    colours = np.concatenate([lattice, ramp])[None]
    after = ImageCms.applyTransform(Image.fromarray(colours), _transform(profile, "RGB"))
    return after is not None and int(np.abs(np.asarray(after, np.int16) - colours).max()) <= 1
