"""Pillow's and libtiff's process-wide switches: set for a block, and put back to what they were."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Generator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, NamedTuple

from PIL import Image, ImageFile, PngImagePlugin, TiffImagePlugin

from curate.core.warning_filters import ignore_warnings

# Pillow's own limit of 1 MB leaves out printers' profiles, which are unpacked as texts are
_TEXT = 1 << 23


class _Switches(NamedTuple):
    """What the switches are set to."""

    max_image_pixels: int | None
    load_truncated_images: bool
    max_text_chunk: int
    read_libtiff: bool

    @classmethod
    def current(cls) -> _Switches:
        """What they are now."""
        return cls(
            Image.MAX_IMAGE_PIXELS,
            ImageFile.LOAD_TRUNCATED_IMAGES,
            PngImagePlugin.MAX_TEXT_CHUNK,
            TiffImagePlugin.READ_LIBTIFF,
        )

    def set(self) -> None:
        """Sets them for the whole process."""
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = self.max_image_pixels, self.load_truncated_images
        PngImagePlugin.MAX_TEXT_CHUNK, TiffImagePlugin.READ_LIBTIFF = self.max_text_chunk, self.read_libtiff


class _Turns:
    """Threads that want the same switches are inside together; others wait for their turn, in the order they came.

    A thread that is inside already may want others for an inner block. While it waits it reads no picture, so that it
    is in nobody's way.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside: dict[int, list[_Switches]] = {}
        self._waiting: dict[int, _Switches] = {}
        self._before = _Switches.current()
        self._handlers: tuple[Any, ...] = ()

    def innermost(self) -> _Switches:
        """What this thread, which is inside, has set."""
        return self._inside[threading.get_ident()][-1]

    def enter(self, wanted: _Switches) -> None:
        with self._condition:
            self._wait(wanted)
            if not self._inside:
                self._before, self._handlers = _Switches.current(), _set_handlers((None, None))
            self._inside.setdefault(threading.get_ident(), []).append(wanted)
            wanted.set()

    def leave(self) -> None:
        me = threading.get_ident()
        with self._condition:
            self._inside[me].pop()
            if self._inside[me]:
                self._wait(self.innermost())
                self.innermost().set()
            else:
                del self._inside[me]
                if not self._inside:
                    self._before.set()
                    _set_handlers(self._handlers)
            self._condition.notify_all()

    def _wait(self, wanted: _Switches) -> None:
        self._waiting[threading.get_ident()] = wanted
        self._condition.notify_all()
        try:
            self._condition.wait_for(lambda: self._is_free(threading.get_ident(), wanted))
        finally:
            del self._waiting[threading.get_ident()]

    def _is_free(self, me: int, wanted: _Switches) -> bool:
        others = [own[-1] for thread, own in self._inside.items() if thread not in self._waiting]
        if me not in self._inside:  # the queue is for those that hold nothing others wait for
            others += [self._waiting[thread] for thread in takewhile(lambda thread: thread != me, self._waiting)]
        return all(switches == wanted for switches in others)


_turns = _Turns()


@contextmanager
def settings(max_pixels: int, accept_truncated: bool = False) -> Generator[None]:
    """Pillow with these settings for this block, without warnings, and libtiff without messages on the terminal.

    Pillow refuses at twice MAX_IMAGE_PIXELS, which covers pictures nested in containers, whose size no header tells.
    """
    with ignore_warnings(), _switched(_Switches(max_pixels // 2 + 1, accept_truncated, _TEXT, False)):
        yield


@contextmanager
def by_libtiff() -> Generator[None]:
    """Inside `settings`: lets libtiff read even those TIFF files that Pillow would read by itself."""
    with _switched(_turns.innermost()._replace(read_libtiff=True)):
        yield


@contextmanager
def _switched(wanted: _Switches) -> Generator[None]:
    _turns.enter(wanted)
    try:
        yield
    finally:
        _turns.leave()


def _set_handlers(handlers: tuple[Any, ...]) -> tuple[Any, ...]:
    """Sets what libtiff calls for errors and for warnings (None: nothing); what it called before."""
    return tuple(setter(handler) for setter, handler in zip(_handler_setters(), handlers, strict=False))


@functools.cache
def _handler_setters() -> tuple[Any, ...]:
    try:
        library = ctypes.CDLL(str(Image.core.__file__))
        setters = (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler)
    except (AttributeError, OSError):  # another build of Pillow, with libtiff out of reach
        return ()
    for setter in setters:
        setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
    return setters
