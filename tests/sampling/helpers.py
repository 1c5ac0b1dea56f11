"""diffusers' own pipelines on the same folders, and LoRA files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from curate.diffusion.base import Backbone
from curate.diffusion.library_logging import quiet
from curate.diffusion.load import load
from curate.sampling.draw import Hardware, TextToImage
from curate.sampling.settings import PictureSettings

CPU = Hardware(torch.device("cpu"))
SMALL: dict[str, Any] = {"width": 64, "height": 72, "steps": 4, "seed": 3, "guidance": 6.0}


def drawing(backbone: Backbone, **hardware: Any) -> TextToImage:
    return TextToImage(backbone, Hardware(torch.device("cpu"), **hardware), backbone.prediction, backbone.ztsnr)


def base(folder: Path, **options: Any) -> Backbone:
    return load(str(folder), True, **options)


def pipeline(folder: Path, family: str, scheduler: Any) -> Any:
    """diffusers' pipeline of a folder, made of its own parts: nothing of ours is in it."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    with quiet():
        parts: dict[str, Any] = {
            "vae": AutoencoderKL.from_pretrained(folder / "vae"),
            "unet": UNet2DConditionModel.from_pretrained(folder / "unet"),
            "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder"),
            "tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            "scheduler": scheduler,
        }
        if family == "sdxl":
            parts["text_encoder_2"] = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2")
            parts["tokenizer_2"] = CLIPTokenizer.from_pretrained(folder / "tokenizer_2")
            found: Any = StableDiffusionXLPipeline(**parts, add_watermarker=False)
        else:
            found = StableDiffusionPipeline(
                **parts,
                safety_checker=None,  # type: ignore[arg-type]
                feature_extractor=None,  # type: ignore[arg-type]
                requires_safety_checker=False,
            )
    found.set_progress_bar_config(disable=True)
    return found


def scheduler(kind: str, **more: Any) -> Any:
    """One of diffusers' samplers over the noise that Stable Diffusion was trained with."""
    import diffusers.schedulers as schedulers

    usual = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    return getattr(schedulers, kind)(**usual, **more)


def theirs(pipe: Any, picture: PictureSettings, output: str = "latent", **more: Any) -> Any:
    """What diffusers' pipeline draws: latents, or float pixels [H, W, 3] in 0 to 1 for "np"."""
    more = more or {"prompt": picture.prompt, "negative_prompt": picture.negative}
    with quiet():
        images = pipe(
            **more,
            width=picture.width,
            height=picture.height,
            num_inference_steps=picture.steps,
            guidance_scale=picture.guidance,
            guidance_rescale=picture.guidance_rescale,
            generator=torch.Generator().manual_seed(picture.seed),
            output_type=output,
        ).images
    return images[0]


def difference(one: Tensor, other: Tensor) -> float:
    """The largest difference."""
    return float((one - other).abs().max())


def lora(path: Path, size: float = 1.0) -> Path:
    """A LoRA of one layer of the carried base."""
    backbone = base(Path("tiny"))
    name = next(n for n in backbone.layer_names() if n.path.endswith("attn2.to_v"))
    layer = backbone.layer(name)
    assert layer is not None
    rows, columns = layer.weight.shape[:2]
    values = {"lora_up.weight": torch.ones(rows, 1) * size, "lora_down.weight": torch.ones(1, columns)}
    save_file({f"{name.key}.{k}": v for k, v in values.items()}, path)
    return path
