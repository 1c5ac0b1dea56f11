"""Draws sample pictures with the network as it stands, through diffusers' pipelines and schedulers."""

from __future__ import annotations

import inspect
import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from curate.core.files import write_bytes
from curate.diffusion.base import Backbone, Conditions
from curate.diffusion.library_logging import quiet
from curate.errors import InputError, Interrupted
from curate.train.data.prompts import Prompt
from curate.train.loop.objective import Prediction
from curate.train.options.watch import ZERO_TERMINAL
from curate.train.runtime.seeds import derive_seed

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {"clip_sample": False}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "lms": ("LMSDiscreteScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm_2": ("KDPM2DiscreteScheduler", {}),
    "dpm_2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "dpmsolver": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
    "dpmsolver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpmsingle": ("DPMSolverSinglestepScheduler", {}),
}


def scheduler(name: str, config: dict[str, Any], prediction: Prediction, ztsnr: bool) -> Any:
    """The sampler of that name with the base's own betas; `k_` in front, as in kohya's names, changes nothing.

    Raises InputError for one that cannot draw with zero terminal SNR.
    """
    import diffusers.schedulers as schedulers

    name = name.removeprefix("k_")
    if ztsnr and name not in ZERO_TERMINAL:
        raise InputError(f"sampler {name} cannot draw with ztsnr", f"choose from {', '.join(ZERO_TERMINAL)}")
    kind, more = SCHEDULERS[name]
    given: dict[str, Any] = {
        "beta_start": float(config.get("beta_start", 0.00085)),
        "beta_end": float(config.get("beta_end", 0.012)),
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": int(config.get("num_train_timesteps", 1000)),
        "prediction_type": "v_prediction" if prediction == "v" else "epsilon",
        **more,
    }
    if ztsnr:
        given |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    with quiet(), warnings.catch_warnings():
        # the first form of dpmsolver is old, and still asked for by name
        warnings.filterwarnings("ignore", message=".*dpmsolver.*", category=FutureWarning)
        made = getattr(schedulers, kind)
        if "steps_offset" in inspect.signature(made.__init__).parameters:
            # what SD and SDXL were published with
            given["steps_offset"] = 1
        return made(**given)


class Artist:
    """Draws one prompt after another. It must be called where gradients are off and precision is set."""

    def __init__(
        self,
        backbone: Backbone,
        schedulers: Mapping[str, Any],
        seed: int,
        resolution: int,
        device: torch.device,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`schedulers` are by what prompts call them; `stopping` is asked between a sampler's steps.

        `seed` and `resolution` serve prompts without their own.
        """
        self.schedulers, self.stopping = schedulers, stopping
        self.backbone, self.seed, self.resolution, self.device = backbone, seed, resolution, device
        with quiet():
            self.pipeline: Any = backbone.pipeline(schedulers[next(iter(schedulers))])
        self.pipeline.set_progress_bar_config(disable=True)

    def conditions(self, text: str) -> Conditions:
        """The conditions of one text, as training makes them."""
        tokens = [ids[None].to(self.device) for ids in self.backbone.tokens(text)]
        return self.backbone.condition(tokens, None)

    def draw(self, prompt: Prompt, index: int) -> NDArray[np.uint8]:
        """The picture of a prompt, H×W×3; without a seed of its own it gets one from the run's and its index.

        Raises Interrupted where the user stops.
        """
        wanted, unwanted = self.conditions(prompt.text), self.conditions(prompt.negative)
        seed = derive_seed(self.seed, "sample", index) if prompt.seed is None else prompt.seed
        self.pipeline.scheduler = self.schedulers[prompt.sampler]
        latents = self.pipeline(
            **self.backbone.prompts(wanted, unwanted),
            width=prompt.width or self.resolution,
            height=prompt.height or self.resolution,
            num_inference_steps=prompt.steps,
            guidance_scale=prompt.scale,
            generator=torch.Generator().manual_seed(seed),
            output_type="latent",
            callback_on_step_end=self._after_step,
        ).images
        with torch.autocast(self.device.type, enabled=False):
            vae: Any = self.backbone.vae
            decoded = vae.decode(latents.float() / self.backbone.scaling, return_dict=False)[0]
        picture = ((decoded[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return picture.permute(1, 2, 0).cpu().numpy()

    def _after_step(self, _pipeline: Any, _step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        if self.stopping():
            raise Interrupted("stopped while a sample picture was drawn", "run the same command to continue")
        return values


def read(path: Path) -> NDArray[np.uint8]:
    """The pixels of a sample picture, H×W×3."""
    with Image.open(path) as image:
        return np.asarray(image)


def write(place: Path, name: str, prompt: Prompt, pixels: NDArray[np.uint8]) -> Path:
    """Writes NAME.png, or NAME-2.png and so on: a file with other content is never overwritten.

    The prompt stands in it.
    """
    text = PngImagePlugin.PngInfo()
    text.add_itxt(
        "parameters", f"{prompt.text}\nNegative prompt: {prompt.negative}\nSteps: {prompt.steps}, CFG: {prompt.scale}"
    )
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG", pnginfo=text)
    number = 1
    while True:
        path = place / (f"{name}.png" if number == 1 else f"{name}-{number}.png")
        if not path.exists():
            write_bytes(path, held.getvalue())
            return path
        if path.read_bytes() == held.getvalue():
            return path
        number += 1
