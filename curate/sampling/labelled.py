"""Pictures in rows and columns on one sheet, with labels."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIDE, WIDEST = 384, 8192
"""Longest side of a picture on the sheet, and of the sheet itself, in pixels."""
GAP, LINES = 8, 6
"""Pixels between pictures, and lines of a label at most."""
WIDE_FONTS = (
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf"),
    *("msgothic.ttc", "msyh.ttc", "Hiragino Sans GB.ttc", "Arial Unicode.ttf"),
)
"""Of Linux, Windows and macOS, for East Asian letters."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def sheet(columns: Sequence[str], rows: Sequence[str], pictures: Sequence[Sequence[Path]]) -> bytes:
    """A PNG of pictures by row and column; row labels stand left, the columns' above.

    A picture that cannot be read leaves its place empty.
    """
    side = min(SIDE, WIDEST // (len(columns) + 1), max(32, WIDEST // (len(rows) + 1)))
    cells = [[_scaled(path, side) for path in row] for row in pictures]
    font = _font("".join([*columns, *rows]), max(10, side // 16))
    line = round(font.getbbox("Ág")[3] * 1.25)
    widths = [max([side // 2, *(row[c].width for row in cells)]) for c in range(len(columns))]
    left = [_wrapped(text, font, side * 2 // 3) for text in rows]
    above = [_wrapped(text, font, width) for text, width in zip(columns, widths, strict=True)]
    heights = [max([cell.height for cell in row] + [line * len(left[r])]) for r, row in enumerate(cells)]
    label = max([round(font.getlength(text)) for lines in left for text in lines], default=0) + GAP
    head = line * max((len(lines) for lines in above), default=0) + GAP
    size = (label + sum(w + GAP for w in widths) + GAP, head + sum(h + GAP for h in heights) + GAP)
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    x = label + GAP
    for c, width in enumerate(widths):
        _write(pen, above[c], (x, GAP // 2), font, line)
        y = head
        for r, height in enumerate(heights):
            if c == 0:
                _write(pen, left[r], (GAP // 2, y), font, line)
            image.paste(cells[r][c], (x, y))
            y += height + GAP
        x += width + GAP
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _scaled(path: Path, side: int) -> Image.Image:
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return Image.new("RGB", (side, side), "#dddddd")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """The lines of a label, each at most so many pixels wide; what is too much is left out before the last line."""
    lines: list[str] = []
    for part in text.split("\n"):
        line = ""
        for word in _words(part, font, width):
            if line and font.getlength((line + word).rstrip()) > width:
                lines.append(line.rstrip())
                line = ""
            line += word
        lines.append(line.rstrip())
    return lines if len(lines) <= LINES else [*lines[: LINES - 2], "…", lines[-1]]


def _words(text: str, font: Font, width: int) -> Iterator[str]:
    """Words with what follows them, and parts of words that are too wide."""
    for word in re.findall(r"\S+?(?:-|(?=\s)|$)\s*", text):
        part = ""
        for letter in word:
            if part and font.getlength(part + letter.rstrip()) > width:
                yield part
                part = ""
            part += letter
        yield part


def _write(pen: ImageDraw.ImageDraw, lines: Sequence[str], at: tuple[int, int], font: Font, line: int) -> None:
    for number, text in enumerate(lines):
        pen.text((at[0], at[1] + number * line), text, "black", font)


def _font(text: str, size: int) -> Font:
    """Pillow's font for ASCII; else matplotlib's, or for East Asian letters one of the system's."""
    wide = WIDE_FONTS if any(ord(letter) > 0x2E7F for letter in text) else ()
    for name in () if text.isascii() else (*wide, *_dejavu()):
        with contextlib.suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)


def _dejavu() -> Iterator[str]:
    """The font that matplotlib carries: Latin, Greek, Cyrillic, Arabic … and signs."""
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        yield str(Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf"))
