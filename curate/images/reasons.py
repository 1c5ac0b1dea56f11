"""Why a file became no picture, in words; and what decoders raise."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from curate.images import strangers
from curate.images.formats import needed_plugin, sniff

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

# what libraries say of data that they cannot decode, where it tells nothing
_MUTE = ("could not create decoder object", "decoder error -", "generic error", "broken data stream")


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
            if stranger := strangers.told(path):
                return stranger
            return "damaged: its header cannot be read" if sniff(path) else "not a picture in any known format"
        case Image.DecompressionBombError():
            return "more pixels than the limit (a decompression bomb?)"
        case MemoryError():
            return "the picture does not fit into memory"
        case _ if str(error).lower().startswith(_MUTE):
            return strangers.told(path) or "damaged: its data are broken or cut short"
        case _ if "MAX_TEXT_CHUNK" in str(error):
            return "damaged: its colour profile unpacks to more than any profile is"
        case _ if str(error).startswith("image file is truncated"):
            return "damaged: truncated, its data end too early"
        case _ if str(error).lower().startswith("unsupported"):
            return f"cannot be read: {error}"
        case _:
            return f"damaged: {error}" if str(error) else f"damaged: {type(error).__name__}"
