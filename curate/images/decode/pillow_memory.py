"""Pixels straight from Pillow's memory: its own way out costs as much as decoding."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class _Array(ctypes.Structure):
    """The Arrow C data interface's `struct ArrowArray`, as far as it is read here."""


_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
]


def rgb_into(image: Image.Image, into: NDArray[np.uint8]) -> None:
    """Copies a loaded picture of mode RGB to `into`, H×W×3 of the same height and width, any strides."""
    view = _view(image)
    if view is None:
        into[:] = np.asarray(image)
        return
    import cv2

    pixels, owner = view
    if into.flags.c_contiguous:
        cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB, dst=into)
    else:
        into[:] = pixels[:, :, :3]
    del owner  # until here the memory is Pillow's


def whole_into(image: Image.Image, into: NDArray[np.uint8]) -> bool:
    """Copies a loaded picture of mode RGB at once; whether both are of one size and each is in one piece."""
    if into.shape[:2] != (image.height, image.width) or not into.flags.c_contiguous or _view(image) is None:
        return False
    rgb_into(image, into)
    return True


def _view(image: Image.Image) -> tuple[NDArray[np.uint8], Any] | None:
    """The picture as H×W×4 in Pillow's memory, and what keeps it alive; None where it is not in one piece."""
    try:
        schema, array = image.__arrow_c_array__()
    except (AttributeError, ValueError, NotImplementedError):  # an older Pillow, or a picture in several blocks
        return None
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found = ctypes.cast(pointer(array, b"arrow_array"), ctypes.POINTER(_Array)).contents
    if found.n_children != 1 or found.offset:
        return None
    child = found.children[0].contents
    size = image.width * image.height * 4
    if child.length != size or child.n_buffers != 2 or child.offset:
        return None
    address = child.buffers[1]
    if not address:
        return None
    data = memoryview((ctypes.c_uint8 * size).from_address(address))
    return np.frombuffer(data, np.uint8).reshape(image.height, image.width, 4), (schema, array)
