"""Whether a JPEG's data reach to its last row: decoders fill what is missing with grey, or leave it coarse."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageChops, JpegImagePlugin

_GREY = frozenset({127, 128})  # what a block of no data decodes to, and its inversion in CMYK
_END_OF_DATA = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_HUFFMAN = frozenset({0xC0, 0xC1, 0xC2})  # arithmetic coders may end early by rule
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})

# any bits that are no marker would do; these are a linear congruence's
_BITS = bytes((n * 167 + 41) * 59 % 255 for n in range(512))


@dataclass
class _Scans:
    """Of a JPEG's markers: frame, components, each scan's components and first coefficient, the last data."""

    frame: int = 0
    components: tuple[int, ...] = ()
    scans: list[tuple[tuple[int, ...], int]] = field(default_factory=list[tuple[tuple[int, ...], int]])
    start: int = 0
    end: int = 0


def lacking(image: Image.Image, path: Path, scaled: int = 1) -> str:
    """What the file lacks of the loaded picture, empty where nothing; only suspicious files are decoded again."""
    corner = image.getpixel((image.width - 1, image.height - 1))
    grey = set(corner if isinstance(corner, tuple) else (corner,)) <= _GREY
    if not grey and "progressive" not in image.info:
        return ""
    data = path.read_bytes()
    found = _scans(data)
    if found.frame not in _HUFFMAN or not found.end:
        return ""
    if not _covered(found):
        return "its data end before the picture is complete"
    return "its data end before its last row" if _changes(image, _longer(data, found), scaled) else ""


def _covered(found: _Scans) -> bool:
    """Whether every component has its means, and a progressive picture's first one more than that."""
    means = {c for components, first in found.scans if first == 0 for c in components}
    if not means >= set(found.components):
        return False
    return found.frame != 0xC2 or any(first and found.components[0] in some for some, first in found.scans)


def _longer(data: bytes, found: _Scans) -> bytes:
    """The file with further data at the end of its last scan, and further restarts in the order they would come."""
    restarts = len(_RESTART.findall(data, found.start, found.end))
    further = (bytes((0xFF, 0xD0 + (restarts + n) % 8)) + _BITS for n in range(8))
    return b"".join([data[: found.end], _BITS, *further, data[found.end :]])


def _changes(image: Image.Image, longer: bytes, scaled: int) -> bool:
    """Whether further data would change the picture: then it was not complete without."""
    try:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(longer)) as again:
            if scaled > 1:
                again.draft(None, (again.width // scaled, again.height // scaled))
            again.load()
            return again.size != image.size or ImageChops.difference(image, again).getbbox(alpha_only=False) is not None
    except OSError:
        return True


def _scans(data: bytes) -> _Scans:
    """Walks the markers of the first picture in the file; what does not hold together ends the walk."""
    found, at = _Scans(), 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker == 0xD9:
            break
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack_from(">H", data, at + 2)[0]
        body, at = data[at + 4 : at + 2 + length], at + 2 + length
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) > 5:
            found.frame, found.components = marker, tuple(body[6::3])[: body[5]]
        elif marker == 0xDA and body and len(body) >= 2 * body[0] + 4:
            found.scans.append((tuple(body[1 : 1 + 2 * body[0] : 2]), body[1 + 2 * body[0]]))
            found.start = at
            next_marker = _END_OF_DATA.search(data, at)
            found.end = at = next_marker.start() if next_marker else len(data)
    return found
