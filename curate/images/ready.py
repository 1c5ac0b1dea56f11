"""Ready: whoever imports this has loaded what pictures are read, scaled and written with."""

import cv2

from curate.images import entry, outlet, resample
from curate.images.formats import register_plugins

__all__ = ["cv2", "entry", "outlet", "resample"]

register_plugins()
