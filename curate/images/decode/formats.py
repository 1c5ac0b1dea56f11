"""Which files are pictures: by suffix, and by their first bytes where a file has no suffix."""

from __future__ import annotations

import functools
import importlib
import os
from pathlib import Path

_NAMES = (
    "apng avif avifs blp bmp bw cur dcx dds dib flc fli ftc ftu gbr gif heic heics heif heifs hif icns ico im "
    "j2c j2k jfif jp2 jpc jpe jpeg jpf jpg jpx jxl mpo msp pbm pcd pcx pfm pgm png pnm ppm psd qoi ras "
    "rgb rgba sgi tga tif tiff vda vst webp xbm xpm "
)
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
"""Lower-case suffixes of raster pictures that are read here, some of them through plugins."""

_MAGIC = (
    (0, b"\xff\xd8\xff"),  # JPEG, MPO
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"GIF8"),
    (8, b"WEBP"),
    (0, b"BM"),
    (0, b"II*\0"),
    (0, b"MM\0*"),
    (4, b"ftypavi"),
    (4, b"ftyphei"),
    (4, b"ftyphev"),
    (4, b"ftypmif1"),
    (0, b"\0\0\0\x0cjP  "),
    (0, b"\0\0\0\x0cJXL "),
    (0, b"\xff\x0a"),  # bare JPEG XL codestream
    (0, b"8BPS"),
    (0, b"qoif"),
)

# documents, programs to be interpreted and placeholders: nothing that should open as a training picture
REFUSED = frozenset({"EPS", "WMF", "PDF", "MPEG", "GRIB", "HDF5", "BUFR", "FITS", "MIC", "FPX"})


def may_be_picture(path: Path | str) -> bool:
    """Whether a scan should try the file: a picture's suffix in any case, or no suffix and a picture's first bytes."""
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 – scans ask for every file: without the cost of a Path
    return suffix in SUFFIXES if len(suffix) > 1 else sniff(Path(path))


def needed_plugin(path: Path) -> str:
    """The package that would open the file, where its first bytes are HEIF's or JPEG XL's; else empty."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return ""
    if head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif", b"msf"):
        return "" if "HEIF" in register_plugins() else "pillow-heif"
    if head == b"\0\0\0\x0cJXL \r\n\x87\n" or head[:2] == b"\xff\x0a":
        return "" if "JXL" in register_plugins() else "pillow-jxl-plugin"
    return ""


def sniff(path: Path) -> bool:
    """Whether the first bytes are those of a common picture format; False for what cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    return any(head[at : at + len(magic)] == magic for at, magic in _MAGIC)


@functools.cache
def register_plugins() -> tuple[str, ...]:
    """Registers the HEIF and JPEG XL readers that are installed with Pillow; the names of those that are."""
    found: list[str] = []
    try:
        heif = importlib.import_module("pillow_heif")
    except ImportError:
        pass
    else:
        heif.register_heif_opener(thumbnails=False)
        found.append("HEIF")
    try:
        importlib.import_module("pillow_jxl")
    except ImportError:
        pass
    else:
        found.append("JXL")
    return tuple(found)
