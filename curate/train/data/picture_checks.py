"""Checks of a training picture and its mask: whether they can be read, and whether the picture may be used."""

from __future__ import annotations

from pathlib import Path

from curate.images.consent import check

EXIF_ORIENTATION = 0x0112


def usable_size(path: Path, reg: bool, warnings: list[str]) -> tuple[int, int] | None:
    """Width and height; None, with a warning, where the picture cannot be read or, as regularisation, may not be."""
    name = display_name(path)
    # the concepts' pictures were asked when the folder was scanned; these are read nowhere else
    if reg and (reason := _withheld(path)):
        warnings.append(f"{name} {reason}")
        return None
    try:
        return picture_size(path)
    except Exception as error:  # PIL raises whatever a broken file makes its decoders raise
        warnings.append(f"{name} cannot be read and is left out: {error}")
        return None


def has_usable_mask(path: Path, mask: Path | None, warnings: list[str]) -> bool:
    """False and a warning where the mask cannot be read: without it the picture would teach what it must not."""
    try:
        if mask is not None:
            picture_size(mask)
    except Exception as error:  # as of pictures
        warnings.append(f"{display_name(path)} is left out: its mask cannot be read: {error}")
        return False
    return True


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height after orientation, from the header alone."""
    from PIL import Image

    with Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def display_name(path: Path) -> str:
    """A picture by its concept's folder and its own name, as messages call it."""
    return f"{path.parent.name}/{path.name}"


def _withheld(path: Path) -> str:
    """Why a picture must stay out, by what its file says of AI training; empty where it may come in."""
    consent = check(path)
    if consent.answer == "refused":
        return f"is marked 'no AI training' and is left out: {consent.reason}"
    if consent.answer == "unchecked":
        return (
            f"is left out: it could not be checked for a 'no AI training' mark: {consent.reason}; where you may train "
            "on it, `curate convert FOLDER -o NEW --consent keep-unchecked` writes a copy without metadata"
        )
    return ""
