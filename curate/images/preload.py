"""Preload: whoever imports this has loaded what pictures are read, scaled and written with."""

import cv2

from curate.images import encode, resample
from curate.images.decode import decode
from curate.images.decode.formats import register_plugins

__all__ = ["cv2", "decode", "encode", "resample"]

register_plugins()
