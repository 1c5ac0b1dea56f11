"""Method D: noise that drowns the perturbation, then a diffusion upscaler that draws the detail anew."""

from __future__ import annotations

import re
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from cleaners import Clean, Cleaner, Picture
from cleaners.device import torch_device
from cleaners.errors import BadModelError, MissingModelError, UnknownModelError, library_reason
from cleaners.upscale import resized
from cleaners.upscalers.hub import from_hub

_MULTIPLE = 8
_WANTED = "give a folder in diffusers' layout or a hub repository"
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*")


@dataclass(frozen=True, slots=True)
class Diffusion(Cleaner):
    """Pictures of the same size, through the four-fold diffusion upscaler of diffusers.

    model     a folder in diffusers' layout, or a hub repository
    sigma     deviation of the Gaussian noise added first, of 0..1; 0.05 to 0.1 covers perturbations of ±16/255
    longest   the picture is scaled down to this longest side before it is enlarged by four, which bounds memory
    steps     denoising steps
    level     the upscaler's own noise level, 0..350
    seed      draws derive from it and from the picture, so that equal pictures give equal results
    """

    help: ClassVar[str] = "adds noise, then a diffusion upscaler redraws the detail"

    model: str = "stabilityai/stable-diffusion-x4-upscaler"
    sigma: float = 0.07
    longest: int = 512
    steps: int = 20
    level: int = 20
    prompt: str = ""
    seed: int = 0
    offline: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Noise of `sigma`, `steps` of `diffusion`, draws from `seed`."""
        kept = {name: options[name] for name in ("sigma", "steps", "seed", "offline")}
        return cls(options["diffusion"], **kept)

    def files(self) -> Sequence[Path]:
        """The folder's; a hub name needs none."""
        folder = Path(self.model)
        return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else ()

    def check(self) -> None:
        """The folder, or the repository: one small file tells whether the rest can be had."""
        if Path(self.model).is_dir():
            return
        if not _REPOSITORY.fullmatch(self.model):
            raise UnknownModelError(f"{self.model}: no such folder", _WANTED)
        try:
            from_hub(self.model, "model_index.json", offline=self.offline)
        except MissingModelError as error:
            raise MissingModelError(error.message, _WANTED) from error

    @contextmanager
    def open(self, device: str = "auto") -> Generator[Clean]:
        """Loads the pipeline, in half precision on CUDA. Raises CleanerError."""
        import torch

        place = torch_device(device)
        pipeline: Any = self._load().to(place, torch.float16 if place.type == "cuda" else torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.enable_attention_slicing()

        def clean(picture: Picture) -> Picture:
            return self._clean(pipeline, picture)

        try:
            yield clean
        finally:
            pipeline = None
            if place.type == "cuda":
                torch.cuda.empty_cache()

    def _load(self) -> Any:
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_upscale import (
            StableDiffusionUpscalePipeline,
        )

        self.check()  # diffusers would try for minutes
        try:
            # safetensors only: a pickle in a downloaded folder could run code
            return StableDiffusionUpscalePipeline.from_pretrained(
                self.model, use_safetensors=True, local_files_only=self.offline
            )
        except OSError as error:
            said = library_reason(error)
            raise MissingModelError(f"{self.model}: no diffusion upscaler there ({said})", _WANTED) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadModelError(f"{self.model}: not a diffusion upscaler ({library_reason(error)})") from error

    def _clean(self, pipeline: Any, picture: Picture) -> Picture:
        import torch
        from PIL import Image

        height, width = picture.shape[:2]
        factor = min(1.0, self.longest / max(height, width))
        small = resized(
            picture,
            max(_MULTIPLE, round(width * factor / _MULTIPLE) * _MULTIPLE),
            max(_MULTIPLE, round(height * factor / _MULTIPLE) * _MULTIPLE),
        )
        draw = (self.seed << 32) ^ zlib.crc32(picture.tobytes())
        noise = np.random.default_rng(draw).standard_normal(small.shape, np.float32) * (self.sigma * 255)
        noisy = np.clip(np.rint(small + noise), 0, 255).astype(np.uint8)
        # drawn on the CPU: the same numbers whatever the device
        generator = torch.Generator("cpu").manual_seed(draw)
        found = pipeline(
            prompt=self.prompt,
            image=Image.fromarray(noisy),
            num_inference_steps=self.steps,
            noise_level=self.level,
            guidance_scale=0.0,
            generator=generator,
        ).images[0]
        return resized(np.asarray(found.convert("RGB")), width, height)
