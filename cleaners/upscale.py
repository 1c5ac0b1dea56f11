"""Enlarging by a network, or by plain interpolation; as a cleaner also method A."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from cleaners import Clean, Cleaner, Picture
from cleaners.upscalers import Network
from cleaners.upscalers.catalogue import LANCZOS, find, known
from cleaners.upscalers.tiling import Tiler
from cleaners.upscalers.torch_network import Precision


@dataclass(frozen=True, slots=True)
class Upscale(Cleaner):
    """Pictures larger by `factor`, or by the network's own scale where that is 0.

    model      a file (.pth, .safetensors, .onnx …), `owner/repository/file`, a known name, or "lanczos"
    tile       side of a tile in input pixels, margins included; 0 chooses by free memory
    precision  "auto" is half on CUDA and full elsewhere
    offline    fetch nothing
    engine     "spandrel" (and onnxruntime for .onnx), or "realesrgan" for that program, where it is installed
    """

    help: ClassVar[str] = "doubles the size with a network"

    model: str = LANCZOS
    factor: float = 0
    tile: int = 0
    precision: Precision = "auto"
    offline: bool = False
    engine: Literal["spandrel", "realesrgan"] = "spandrel"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Twice the size by `model`."""
        return cls(options["model"], 2, options["tile"], options["precision"], options["offline"])

    def files(self) -> Sequence[Path]:
        """The network's file; a known name stands for its published digest and needs none."""
        return network_files(self.model, self.offline)

    def check(self) -> None:
        """The network's file, under a known name too, and the engine."""
        if self.model != LANCZOS:
            find(self.model, offline=self.offline)
        if self.engine == "realesrgan":
            from cleaners.upscalers.realesrgan_engine import check_installed

            check_installed()

    @contextmanager
    def open(self, device: str = "auto") -> Generator[Clean]:
        """Yields the function; it takes grey (H×W) and transparent (H×W×4) pictures too. Raises CleanerError."""
        if self.model == LANCZOS:
            yield _channels(self._sized(lambda picture: resized(picture, picture.shape[1] * 2, picture.shape[0] * 2)))
            return
        path = find(self.model, offline=self.offline)
        if self.engine == "realesrgan":
            from cleaners.upscalers.realesrgan_engine import open_program

            with open_program(path, device, tile=self.tile, half=self.precision != "full") as enlarge:
                yield _channels(self._sized(enlarge))
            return
        with network(path, device, self.precision) as opened:
            yield _channels(self._sized(Tiler(opened, self.tile)))

    def _sized(self, enlarge: Clean) -> Clean:
        def work(picture: Picture) -> Picture:
            found = enlarge(picture)
            if not self.factor:
                return found
            return resized(
                found, max(1, round(picture.shape[1] * self.factor)), max(1, round(picture.shape[0] * self.factor))
            )

        return work


def network_files(model: str, offline: bool) -> Sequence[Path]:
    """The file of a network that its name alone does not identify. Raises CleanerError."""
    if model == LANCZOS or (known(model) and not Path(model).is_file()):
        return ()
    return (find(model, offline=offline),)


@contextmanager
def network(path: Path, device: str, precision: Precision) -> Generator[Network]:
    """The network of a file, by its kind. Raises CleanerError."""
    if path.suffix.lower() == ".onnx":
        from cleaners.upscalers.onnx_network import opened as opened_graph

        with opened_graph(path, device) as graph:
            yield graph
        return
    from cleaners.upscalers.torch_network import opened

    with opened(path, device, precision) as found:
        yield found


def resized(picture: Picture, width: int, height: int) -> Picture:
    """The picture at exactly this size, by Lanczos with a kernel as wide as shrinking needs."""
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def _channels(enlarge: Clean) -> Clean:
    """The same for grey pictures, and for transparent ones, whose hidden colours must not shine through."""

    def work(picture: Picture) -> Picture:
        if picture.ndim == 2:
            return np.rint(enlarge(np.repeat(picture[..., None], 3, axis=2)).mean(axis=2)).astype(np.uint8)
        if picture.shape[2] != 4:
            return enlarge(picture)
        colour = enlarge(_spread(picture))
        alpha = resized(np.ascontiguousarray(picture[..., 3]), colour.shape[1], colour.shape[0])
        return np.dstack([colour, alpha])

    return work


def _spread(picture: Picture) -> Picture:
    """The colours, with those of visible pixels spread under the fully transparent ones next to them."""
    import cv2

    seen = picture[..., 3] > 0
    if seen.all() or not seen.any():
        return np.ascontiguousarray(picture[..., :3])
    hidden = (~seen).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    labels = np.asarray(nearest, np.int64)
    colours = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    colours[labels[seen]] = picture[..., :3][seen]
    return np.where(seen[..., None], picture[..., :3], colours[labels])
