"""Stage upscale: enlarges small pictures with a network, to exactly the size that is wanted."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from curate.core.findings import failures
from curate.core.path_options import HubFileName
from curate.core.record import Record
from curate.core.stage import Env, Pixels, RecordStage, Resources, Worker
from curate.errors import CurateError, MissingError, PictureError
from curate.images.cleaner_errors import translated

if TYPE_CHECKING:
    import cleaners.upscale

NONE = "none"
Enlarge = Callable[[Pixels], Pixels]


class Upscale(RecordStage):
    """Enlarge pictures below the training resolution with an upscaling model, then scale to the exact size."""

    model: HubFileName = Field(
        "RealESRGAN_x4plus",
        description="Upscaling model: a .pth, .safetensors or .onnx file; owner/repository/file on "
        "the hub; a known name "
        "(4x-UltraSharp, RealESRGAN_x4plus_anime_6B …); lanczos for plain interpolation; "
        "none to only note small pictures.",
    )
    when: Literal["smaller-than", "always"] = Field(
        "smaller-than",
        description="smaller-than enlarges pictures smaller than size; always enlarges every picture by factor.",
    )
    size: int = Field(1024, ge=16, description="Training resolution. Smaller pictures are enlarged to it.")
    by: Literal["area", "short", "long"] = Field(
        "area",
        description="What size measures: the area of a square with that side, the shorter side, or the longer side.",
    )
    factor: float = Field(0, ge=0, le=16, description="Enlargement with --when always; 0: the model's own factor.")
    max_factor: float = Field(
        8,
        ge=1,
        description="Do not enlarge pictures by more than this; mark them lowres instead.",
    )
    lowres: bool = Field(default=True, description="Let `tag` add the tag lowres to pictures that stay too small.")
    tile: int = Field(0, ge=0, description="Side of a tile in pixels, including margins; 0 chooses it by free memory.")
    precision: Literal["auto", "full", "half"] = Field(
        "auto", description="Number format: auto is half on CUDA and full elsewhere."
    )

    engine: Literal["spandrel", "realesrgan"] = Field(
        "spandrel",
        description="Program that runs the model. realesrgan is Real-ESRGAN's own program, if it is installed.",
    )

    version: ClassVar[int] = 2  # 2: a picture as large as its bucket is large enough
    reads: ClassVar[frozenset[str]] = frozenset({"image"})
    writes: ClassVar[frozenset[str]] = frozenset({"image", "facts", "notes"})
    resources: ClassVar[Resources] = Resources(cpus=1, gpus=1)

    def problems(self) -> Mapping[str, str]:
        """A factor that would be passed over, and options of a network where there is none."""
        found: dict[str, str] = {}
        if self.factor and self.when != "always":
            found["factor"] = "has no effect with when smaller-than, which enlarges to the size: give when always"
        if self.model in (NONE, "lanczos"):
            idle = [name for name in ("tile", "precision", "engine") if getattr(self, name) != _default(name)]
            found |= dict.fromkeys(idle, f"has no effect with model {self.model}, which is no network: leave it out")
        return found

    def files(self, env: Env) -> Sequence[Path]:
        """The model's file; a known name stands for its published digest and needs none. Raises as `open` does."""
        from cleaners.upscale import network_files

        if self.model == NONE:
            return ()
        with translated("upscale"):
            return network_files(self.model, env.offline)

    def missing(self, env: Env) -> Sequence[CurateError]:
        """The model, under a known name too, and the engine."""
        if self.model == NONE:
            return ()
        return [*super().missing(env)] or failures([translated("upscale")(self._cleaner(env).check)])

    @contextlib.contextmanager
    def open(self, env: Env) -> Generator[Worker]:
        """Loads the model, yields the worker.

        Raises InputError for a bad or unknown model, MissingError for what is not here.
        """
        from cleaners.errors import MemoryShortError
        from cleaners.upscale import LANCZOS

        if self.model == NONE:
            yield lambda records: [self._one(record, env, None) for record in records]
            return
        with contextlib.ExitStack() as stack:
            with translated("upscale"):
                if env.require_gpu and self.model != LANCZOS:
                    _require_gpu(env.device)
                enlarge = stack.enter_context(self._cleaner(env).open(env.device))

            def work(records: Sequence[Record]) -> Sequence[Record]:
                try:
                    return [self._one(record, env, enlarge) for record in records]
                except MemoryShortError as error:
                    raise PictureError(f"upscale: {error.message}") from error

            yield work

    def _cleaner(self, env: Env) -> cleaners.upscale.Upscale:
        from cleaners.upscale import Upscale

        return Upscale(self.model, 0, self.tile, self.precision, env.offline, self.engine)

    def target(self, width: int, height: int) -> tuple[int, int] | None:
        """The size a picture is brought to; None where it is large enough."""
        now = {"area": math.sqrt(width * height), "short": min(width, height), "long": max(width, height)}[self.by]
        if now >= self.size or (self.by == "area" and _fills_a_bucket(width, height, self.size)):
            return None
        return max(1, round(width * self.size / now)), max(1, round(height * self.size / now))

    def _one(self, record: Record, env: Env, enlarge: Enlarge | None) -> Record:
        width, height = record.image.width, record.image.height
        pixels: Pixels | None = None
        if not width or not height:
            pixels = env.pixels(record)
            height, width = pixels.shape[:2]
        if self.when == "always" and enlarge:
            wanted = (round(width * self.factor), round(height * self.factor)) if self.factor else None
        else:
            wanted = self.target(width, height)
            if wanted is None:
                return record
            grows = wanted[0] / width
            if enlarge is None or grows > self.max_factor:
                why = "" if enlarge is None else f", more than max_factor {self.max_factor:g}"
                said = f"{width}×{height} is small: it would have to grow {grows:.2g} times{why}"
                found = {"tag:lowres": True} if self.lowres else {}
                return record.noting(f"upscale: {said}", lowres=True, **found)
        done = _enlarged(pixels if pixels is not None else env.pixels(record), enlarge, wanted)
        fact = {"model": self.model, "from": [width, height], "to": [done.shape[1], done.shape[0]]}
        return env.keep(
            record.noting(f"upscale: {width}×{height} to {done.shape[1]}×{done.shape[0]}", upscaled=fact), done
        )


def _fills_a_bucket(width: int, height: int, resolution: int) -> bool:
    """Whether training at the resolution enlarges the picture by no part: 1344×768 is a bucket of 1024."""
    from curate.train.data.buckets import enlargement

    return enlargement(width, height, resolution) <= 1


def _enlarged(pixels: Pixels, enlarge: Enlarge, wanted: tuple[int, int] | None) -> Pixels:
    """Through the network as often as it takes, then exactly to size; once where the network's own scale is wanted."""
    from cleaners.upscale import resized

    done = enlarge(pixels)
    if wanted is None:
        return done
    while done.shape[1] < wanted[0] * 0.95:
        larger = enlarge(done)
        if larger.shape[1] <= done.shape[1]:
            break
        done = larger
    return resized(done, *wanted)


def _default(option: str) -> object:
    return Upscale.model_fields[option].default


def _require_gpu(device: str) -> None:
    import torch

    if device == "cpu" or not torch.cuda.is_available():
        raise MissingError("upscale: a GPU is required and torch sees none", "check the driver, or drop --require-gpu")
