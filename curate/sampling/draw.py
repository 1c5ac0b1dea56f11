"""Draws pictures with a base model as it stands, whatever adapters are on it."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from curate.core.warning_filters import ignore_warnings
from curate.diffusion import samplers
from curate.diffusion.base import Backbone, Conditions
from curate.diffusion.family import Prediction
from curate.diffusion.flow_samplers import FlowSampler
from curate.diffusion.samplers import NUMPY
from curate.diffusion.text.caption_encoder import CaptionEncoder, TextStates
from curate.errors import CurateError, Interrupted
from curate.sampling.emphasis import Emphasis, plain
from curate.sampling.settings import PictureSettings
from curate.sampling.text_states import Encoded, encode, join

Pixels = NDArray[np.uint8]
"""A picture, H×W×3."""
TILE = 512
"""Side in pixels of what the VAE decodes at once with `tiled`; a quarter of it overlaps."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Where and how it is computed.

    dtype    of the computation, under autocast where it is not float32; noise, sampler and VAE are always float32
    offload  whether only the model that is at work lies on the device
    tiled    whether the VAE decodes by overlapping tiles
    """

    device: torch.device
    dtype: torch.dtype = torch.float32
    offload: bool = False
    tiled: bool = False


@dataclass
class TextToImage:
    """Text to pictures with one state of the models: make another after adapters on the backbone changed.

    The backbone's models must be on the device, unless `offload` moves them. `prediction` and `ztsnr` are what the
    models do, adapters included. `stopping` is asked between a sampler's steps. `kept` gives what was
    made of a text before, of families whose text encoder a training has let go.
    """

    backbone: Backbone
    hardware: Hardware
    prediction: Prediction
    ztsnr: bool
    stopping: Callable[[], bool] = lambda: False
    emphasis: Emphasis = "original"
    kept: Callable[[str], TextStates] | None = None
    _encoded: dict[str, Encoded] = field(default_factory=dict[str, Encoded], init=False)

    def draw(self, batch: Sequence[PictureSettings]) -> list[Pixels]:
        """The pictures of settings that share their `shape`, in order.

        Noise is drawn on the CPU in float32 for each picture from its own seed, so that neither the device nor the
        other pictures of the batch decide it. Raises Interrupted where the user stops, InputError for a sampler that
        does not fit, CurateError where numbers overflow.
        """
        latents = self.latents(batch)
        with self._on_device(self.backbone.vae), self._tiles():
            # one by one: it takes the memory of one, and a picture does not depend on the others
            return [_pixels(self.backbone.decode(one[None])[0]) for one in latents]

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """What the text encoders make of prompts, each alone, remembered."""
        if missing := [text for text in dict.fromkeys(texts) if text not in self._encoded]:
            if self.backbone.captions is not None:
                self._encoded |= zip(missing, self._states(self.backbone.captions, missing), strict=True)
                return [self._encoded[text] for text in texts]
            parts = [part for name, part in self.backbone.parts.items() if name.startswith("te")]
            with torch.no_grad(), self._on_device(*parts), self._autocast():
                for text in missing:
                    self._encoded[text] = encode(self.backbone, text, self.emphasis, self.hardware.device)
        return [self._encoded[text] for text in texts]

    def _states(self, encoder: CaptionEncoder, prompts: Sequence[str]) -> list[TextStates]:
        """Of families that keep what their encoder makes: as a training kept it, or made now."""
        device, texts = self.hardware.device, [plain(prompt) for prompt in prompts]
        if self.kept is not None:
            states = [self.kept(text) for text in texts]
            return [{name: tensor.to(device) for name, tensor in one.items()} for one in states]
        states = encoder.encode(texts, device, self.hardware.dtype)
        if self.hardware.offload:
            encoder.free()
        return states

    @torch.no_grad()
    def latents(self, batch: Sequence[PictureSettings]) -> Tensor:
        """The denoised latents [batch, channels, h, w], float32, of settings of one `shape`. Raises as `draw`."""
        first, device = batch[0], self.hardware.device
        generators = [torch.Generator().manual_seed(one.seed) for one in batch]
        embedded = bool(self.backbone.family.embedded_guidance)
        guided = first.guidance > 1 and not embedded
        conditions = self._conditions(batch, guided)
        if embedded:
            conditions.guidance = torch.full((len(batch),), first.guidance, device=device)
        scheduler = self._scheduler(first)
        with ignore_warnings(*NUMPY):
            scheduler.set_timesteps(first.steps, device=device)
        shape = self.backbone.latent_shape(first.width, first.height)
        noise = torch.cat([torch.randn(1, *shape, generator=generator) for generator in generators])
        latents = noise.to(device) * scheduler.init_noise_sigma
        extra = {"generator": generators} if "generator" in inspect.signature(scheduler.step).parameters else {}
        with self._on_device(self.backbone.parts["unet"]), self._autocast(), ignore_warnings(*NUMPY):
            for time in scheduler.timesteps:
                if self.stopping():
                    raise Interrupted("stopped while a picture was drawn", "run the same command to continue")
                given = scheduler.scale_model_input(torch.cat([latents] * (2 if guided else 1)), time)
                times = time.to(device).expand(len(given))
                output = self.backbone.predict(given, times, conditions).float()
                if guided:
                    output = self._guide(output, first.guidance, first.guidance_rescale)
                latents = scheduler.step(output, time, latents, **extra, return_dict=False)[0]
        if not bool(latents.isfinite().all()):
            precision = str(self.hardware.dtype).removeprefix("torch.")
            raise CurateError(
                f"the picture of {first.prompt!r} has values that are not finite in {precision}",
                "precision bf16 or fp32 holds larger numbers; or a LoRA's strength is too high",
            )
        return latents

    def _scheduler(self, picture: PictureSettings) -> Any:
        """Of the picture's sampler; flow's also moves its times as suits the picture's size."""
        backbone, sampler = self.backbone, samplers.plain_name(picture.sampler)
        if backbone.family.objective == "flow":
            shift = backbone.sampling_shift(picture.width, picture.height, picture.steps)
            return FlowSampler(sampler, shift, backbone.schedule)
        return samplers.make_scheduler(sampler, backbone.schedule, self.prediction, self.ztsnr, picture.spacing)

    def _guide(self, output: Tensor, guidance: float, rescale: float) -> Tensor:
        """Classifier-free guidance of predictions without and with the prompt."""
        without, towards = output.chunk(2)
        guided = self.backbone.guide(without, towards, guidance)
        if not rescale:
            return guided
        axes = tuple(range(1, guided.dim()))
        same_spread = guided * (towards.std(axes, keepdim=True) / guided.std(axes, keepdim=True))
        return rescale * same_spread + (1 - rescale) * guided

    def _conditions(self, batch: Sequence[PictureSettings], guided: bool) -> Conditions:
        """Of the negative prompts, where they count, and of the prompts behind them."""
        texts = [*((one.negative for one in batch) if guided else ()), *(one.prompt for one in batch)]
        sizes = [[one.height, one.width, 0, 0, one.height, one.width] for one in batch] * (2 if guided else 1)
        with self._autocast():
            return join(self.backbone, self.encode(texts), torch.tensor(sizes, device=self.hardware.device))

    @contextlib.contextmanager
    def _on_device(self, *models: nn.Module) -> Generator[None]:
        """Where models are offloaded: these lie on the device meanwhile."""
        if not self.hardware.offload:
            yield
            return
        for model in models:
            nn.Module.to(model, device=self.hardware.device)
        try:
            yield
        finally:
            for model in models:
                nn.Module.to(model, device="cpu")

    def _autocast(self) -> torch.autocast:
        dtype = self.hardware.dtype
        return torch.autocast(self.hardware.device.type, dtype, enabled=dtype != torch.float32)

    @contextlib.contextmanager
    def _tiles(self) -> Generator[None]:
        vae: Any = self.backbone.vae
        if self.hardware.tiled:
            if levels := vae.config.get("block_out_channels"):  # video models have tiles of their own
                # not the configuration's size: checkpoints carry none, and the default for them is 32 pixels;
                # nor the family's latents, which may be packed after the autoencoder
                vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // 2 ** (len(levels) - 1)
            vae.enable_tiling()
        try:
            with torch.autocast(self.hardware.device.type, enabled=False):
                yield
        finally:
            vae.disable_tiling()


def _pixels(picture: Tensor) -> Pixels:
    """uint8 H×W×3 of a picture [3, H, W] in -1 to 1."""
    return ((picture.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
