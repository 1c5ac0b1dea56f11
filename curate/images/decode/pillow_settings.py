"""The gate around Pillow's process-wide switches: quiet, with our own limits, and back to what they were."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager

from PIL import Image, ImageFile, PngImagePlugin

# Pillow's own limit of 1 MB leaves out printers' profiles, which come through the same door as texts
_TEXT = 1 << 23


class _Gate:
    """Threads that want the same settings go in together; others wait until it is empty."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0
        self._settings = (0, False)
        self._before: tuple[int | None, bool, int] = (None, False, 0)
        self._caught = warnings.catch_warnings()

    def enter(self, wanted: tuple[int, bool]) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._inside == 0 or self._settings == wanted)
            if self._inside == 0:
                self._before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK)
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
                Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = self._settings = wanted
                PngImagePlugin.MAX_TEXT_CHUNK = _TEXT
            self._inside += 1

    def leave(self) -> None:
        with self._condition:
            self._inside -= 1
            if self._inside == 0:
                Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, PngImagePlugin.MAX_TEXT_CHUNK = self._before
                self._caught.__exit__(None, None, None)
                self._condition.notify_all()


_gate = _Gate()


@contextmanager
def settings(max_pixels: int, accept_truncated: bool) -> Generator[None]:
    """Pillow with these settings and no warnings, for this block; do not nest.

    The switches belong to the process. Pillow refuses at twice MAX_IMAGE_PIXELS, which covers pictures nested in
    containers, whose size no header tells.
    """
    _gate.enter((max_pixels // 2 + 1, accept_truncated))
    try:
        yield
    finally:
        _gate.leave()
