"""From requests to picture files: those that are there already are not drawn again, and none is overwritten."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from typing_extensions import override

from curate.adapters.tensor_file import TensorFile
from curate.core.files import digest_plain, remove_leftovers
from curate.errors import Interrupted
from curate.sampling import emphasis, loras, parameters, picture_file
from curate.sampling.draw import TextToImage
from curate.sampling.drawing_base import Context, DrawingBase
from curate.sampling.loras import LoraStrength
from curate.sampling.memory import memory_errors
from curate.sampling.options import ModelOptions
from curate.sampling.settings import PictureSettings, batches, check_settings

VERSION = 1
"""Raise it when the same request gives another picture than before."""


@dataclass(frozen=True, slots=True)
class Request:
    """A picture that is wanted: `name` of its file without ending."""

    name: str
    picture: PictureSettings
    loras: tuple[LoraStrength, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A request's file; `recalled` where it was there before."""

    index: int
    path: Path
    recalled: bool


class Pictures(DrawingBase):
    """Draws with one base; it is loaded when the first picture is missing."""

    @override
    def __init__(self, base: str, options: ModelOptions, context: Context) -> None:
        super().__init__(base, options, context)
        self._tags: dict[LoraStrength, parameters.LoraTag] = {}
        self._looked_at: set[str] = set()

    def find(self, request: Request, folder: Path) -> Path | None:
        """The request's file where it is there, whole."""
        return picture_file.find(folder, request.name, self.identity(request))

    def write(self, requests: Sequence[Request], folder: Path) -> Iterator[Drawn]:
        """The files of the requests in `folder`, in order, drawn where they are missing.

        A batch of which any picture is missing is drawn whole, so that a run that was killed and run again gives the
        same bytes. Raises Interrupted, InputError, MissingError, CurateError.
        """
        for one in requests:
            check_settings(one.picture, self.family, self.ztsnr)
        used = list(dict.fromkeys(lora.path for one in requests for lora in one.loras))
        for path in used:
            TensorFile.open(path)  # a file that is none is named before a base is loaded
        remove_leftovers(folder)  # of a run that was killed while it wrote
        start = 0
        for _, group in groupby(requests, key=lambda one: one.loras):
            alike = list(group)
            yield from self._write_alike(alike, start, folder, used)
            start += len(alike)

    def _write_alike(
        self, requests: Sequence[Request], start: int, folder: Path, used: Sequence[Path]
    ) -> Iterator[Drawn]:
        """Those of the same LoRAs. `used` are all LoRA files: what does not fit is named before anything is drawn."""
        with contextlib.ExitStack() as stack:
            drawing: TextToImage | None = None
            for batch in batches([one.picture for one in requests], self.options.batch):
                wanted = [requests[n] for n in batch]
                found = [self.find(one, folder) for one in wanted]
                paths = [path for path in found if path is not None]
                if len(paths) < len(found):
                    for path in used:
                        self.lora(path)
                    drawing = drawing or stack.enter_context(self.drawing(requests[0].loras))
                    paths = self._draw(drawing, wanted, found, folder)
                for n, before, path in zip(batch, found, paths, strict=True):
                    yield Drawn(start + n, path, before is not None)

    def _draw(
        self, drawing: TextToImage, wanted: Sequence[Request], found: Sequence[Path | None], folder: Path
    ) -> list[Path]:
        """Draws a batch and writes those of it that are missing."""
        if self.context.stopping():
            raise Interrupted("stopped between two pictures", "run the same command to continue: what is drawn is kept")
        options = self.options
        for one in wanted:
            self._warn(one.picture)
        with memory_errors(options, len(wanted), self.context.device, self.dtype), self.reproducible():
            pixels = drawing.draw([one.picture for one in wanted])
        paths: list[Path] = []
        for one, before, picture in zip(wanted, found, pixels, strict=True):
            text = parameters.text(one.picture, self._models(one.loras))
            data = picture_file.encode(picture, text, self.identity(one))
            paths.append(before or picture_file.write(folder, one.name, data))
        return paths

    def identity(self, request: Request) -> str:
        """Digest of everything that decides the picture; no model is loaded for it."""
        used = [
            [loras.digests_of(one.path, self.context.digests), one.strength, one.text_strength]
            for one in request.loras
            if one.strength or one.text_strength
        ]
        picture = request.picture
        # only where it counts, so that other pictures keep the identity that they had before there were weights
        weighed = [self.options.emphasis] if emphasis.has_syntax(picture.prompt + picture.negative) else []
        return digest_plain([VERSION, self.base_identity, asdict(picture), used, *weighed])

    def _models(self, used: Sequence[LoraStrength]) -> parameters.Models:
        for one in used:
            if one not in self._tags:
                self._tags[one] = loras.tag(one, self.context.digests)
        hashes = self.backbone.hashes
        tags = tuple(self._tags[one] for one in used if one.strength or one.text_strength)
        sha256 = hashes.get("new_sd_model_hash", "")
        return parameters.Models(self.name, sha256, self.options.clip_skip, tags, self.options.emphasis)

    def _warn(self, picture: PictureSettings) -> None:
        """Names prompts that are cut, or not wholly understood, once each."""
        for text in (picture.prompt, picture.negative):
            if text not in self._looked_at:
                self._looked_at.add(text)
                for line in emphasis.cautions(self.backbone, text, self.options.emphasis):
                    self.context.note("warning", line)
                if text and text == picture.negative and (line := emphasis.negative_caution(self.backbone, text)):
                    self.context.note("warning", line)
