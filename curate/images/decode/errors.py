"""Why a file became no picture, in words; and what decoders raise."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from curate.images.decode.formats import needed_plugin, sniff

# what decoders written by many hands have been seen to raise on broken files; Pillow documents only the first few
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    Image.DecompressionBombError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    RuntimeError,
    EOFError,
    MemoryError,
    BufferError,
)

# Pillow (seen in 11.3 to 13.0) and its plugins raise OSError, ValueError and RuntimeError for all of this, without a
# number or a type of their own: how messages begin in lower case, and what that means ("" where they tell nothing)
_MESSAGES = (
    ("could not create decoder object", ""),  # WebP and AVIF
    ("decoder error -", ""),  # libtiff, and codecs whose number Pillow has no words for
    ("generic error", ""),  # libheif through pillow-heif
    ("broken data stream", ""),  # every codec of Pillow's own
    (
        "decompressed data too large",
        "damaged: its color profile is larger than any real profile when unpacked",
    ),
    ("image file is truncated", "damaged: the file is truncated"),
)

# where, what stands there, what that means
_OTHERS = (
    (0, rb"version https://git-lfs", "not a picture but a Git LFS pointer to one: run git lfs pull"),
    (0, rb"(?i)\s*<(!doctype )?html", "not a picture but a web page"),
    (0, rb"(?is)\s*(<\?xml.*)?<svg", "not a picture but a drawing (SVG): render it first"),
    (0, rb"%PDF", "not a picture but a PDF document"),
    (0, rb"PK\x03\x04|Rar!|7z\xbc\xaf|\x1f\x8b", "not a picture but a packed archive"),
    (4, rb"ftyp(isom|mp4|M4V|qt  |avc|dash|3gp)", "not a picture but a video"),
    (0, rb"\x1a\x45\xdf\xa3", "not a picture but a video"),
    (4, rb"ftypcrx ", "cannot be read: a camera's raw file; develop it first"),
    (0, rb"FUJIFILMCCD-RAW|IIRO|IIU\0|II\*\0.{4}CR\x02", "cannot be read: a camera's raw file; develop it first"),
    (0, rb"\x76\x2f\x31\x01", "cannot be read: OpenEXR; save it as 16-bit PNG or TIFF"),
    (0, rb"#\?(RADIANCE|RGBE)", "cannot be read: Radiance HDR; save it as 16-bit PNG or TIFF"),
    (0, rb"MM\0\+", "cannot be read: a BigTIFF of the other byte order"),
    (0, rb"II[*+]\0|MM\0[*+]", "cannot be read: damaged, or a TIFF of an unusual kind; save it as 8 or 16-bit RGB"),
    (0, rb"8BPS\0\x02", "cannot be read: a large Photoshop document (PSB); save it as PNG"),
    (0, rb"8BPS\0\x01.{16}\0[^\x01\x08]", "cannot be read: a Photoshop file of more than 8 bits; save it as PNG"),
    (0, rb"\x89PNG\r\n\x1a\n.{4}CgBI", "cannot be read: Apple's own kind of PNG (CgBI)"),
    (0, rb"\x8aMNG|\x8bJNG", "cannot be read: MNG or JNG; save it as PNG"),
)
_HEAD = 512

LIMIT_REMEDY = "where you trust the file, raise it with convert's max_pixels (--max-pixels)"
"""What is said of a picture above the limit of pixels."""


def reason(error: BaseException, path: Path) -> str:
    """What is told of a file that raised this."""
    match error:
        case FileNotFoundError():
            return "the file is gone"
        case PermissionError():
            return "no permission to read the file"
        case IsADirectoryError():
            return "a folder, not a file"
        case UnidentifiedImageError():
            if path.stat().st_size == 0:
                return "the file is empty"
            package = needed_plugin(path)
            if package:
                return f"needs the package {package} to be read"
            if kind := known_kind(path):
                return kind
            return "damaged: its header cannot be read" if sniff(path) else "not a picture in any known format"
        case Image.DecompressionBombError():
            return f"more pixels than the limit (a decompression bomb?): {LIMIT_REMEDY}"
        case MemoryError():
            return "the picture does not fit into memory"
        case _ if (meaning := _meaning(error)) is not None:
            return meaning or known_kind(path) or "damaged: its data are broken or cut short"
        case _ if str(error).lower().startswith("unsupported"):
            return f"cannot be read: {error}"
        case _:
            return f"damaged: {error}" if str(error) else f"damaged: {type(error).__name__}"


def _meaning(error: BaseException) -> str | None:
    """What the message of a decoder means, "" where it tells nothing, None for a message not known here."""
    text = str(error).lower()
    return next((meaning for beginning, meaning in _MESSAGES if text.startswith(beginning)), None)


def known_kind(path: Path) -> str:
    """What the file is, empty for what is not known here."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return ""
    return next((meaning for at, what, meaning in _OTHERS if re.compile(what, re.DOTALL).match(head, at)), "")
