"""A picture is the one that diffusers' own pipeline draws, in a batch as alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curate.errors import CurateError, Interrupted
from curate.sampling.draw import TextToImage
from curate.sampling.settings import PictureSettings, batches
from tests.sampling.conftest import FAMILIES, V
from tests.sampling.helpers import CPU, SMALL, base, difference, drawing, pipeline, scheduler, theirs

# diffusers' schedulers hand tensors to numpy in the way of numpy 1
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
DOG = PictureSettings("a dog on grass", "blurry", **SMALL)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("sampler", "kind", "more"),
    [
        ("euler_a", "EulerAncestralDiscreteScheduler", {}),
        ("ddim", "DDIMScheduler", {"clip_sample": False}),
        ("dpmsolver++", "DPMSolverMultistepScheduler", {}),
    ],
)
def test_a_picture_equals_diffusers_own(
    bases: dict[str, Path], family: str, sampler: str, kind: str, more: dict[str, Any]
) -> None:
    picture = replace(DOG, sampler=sampler)
    prediction = V if family == "sd2" else {}
    pipe = pipeline(bases[family], family, scheduler(kind, **more, **prediction))
    made = drawing(base(bases[family]))
    assert difference(made.latents([picture])[0], theirs(pipe, picture)) < 1e-4
    [pixels] = made.draw([picture])
    assert pixels.shape == (72, 64, 3)
    assert np.abs(pixels / 255 - theirs(pipe, picture, "np")).max() <= 0.5 / 255 + 1e-4


@pytest.mark.parametrize(
    "picture", [replace(DOG, guidance=1.0), replace(DOG, guidance_rescale=0.7)], ids=["1", "rescale"]
)
def test_guidance_is_diffusers_own(bases: dict[str, Path], picture: PictureSettings) -> None:
    pipe = pipeline(bases["sd2"], "sd2", scheduler("EulerAncestralDiscreteScheduler", **V))
    found = drawing(base(bases["sd2"])).latents([picture])[0]
    assert difference(found, theirs(pipe, picture)) < 1e-4
    assert difference(found, drawing(base(bases["sd2"])).latents([DOG])[0]) > 1e-2


def test_zero_terminal_snr_is_diffusers_own(bases: dict[str, Path]) -> None:
    zero = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", **V}
    pipe = pipeline(bases["sd2"], "sd2", scheduler("EulerAncestralDiscreteScheduler", **zero))
    made = TextToImage(base(bases["sd2"]), CPU, "v", ztsnr=True)
    assert difference(made.latents([DOG])[0], theirs(pipe, DOG)) < 1e-4


def test_clip_skip_reads_an_earlier_layer_with_the_final_norm(bases: dict[str, Path]) -> None:
    from curate.diffusion.base import LoadOptions

    pipe = pipeline(bases["sd1"], "sd1", scheduler("EulerAncestralDiscreteScheduler"))

    def states(text: str) -> torch.Tensor:
        ids = pipe.tokenizer(text, padding="max_length", max_length=77, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            hidden = pipe.text_encoder(ids, output_hidden_states=True).hidden_states[-2]
            return pipe.text_encoder.final_layer_norm(hidden)

    encoded = {"prompt_embeds": states(DOG.prompt), "negative_prompt_embeds": states(DOG.negative)}
    made = drawing(base(bases["sd1"], options=LoadOptions(clip_skip=2)))
    assert difference(made.latents([DOG])[0], theirs(pipe, DOG, **encoded)) < 1e-4
    assert difference(made.latents([DOG])[0], theirs(pipe, DOG)) > 1e-3


@pytest.mark.parametrize("sampler", ["euler_a", "dpm_2_a", "pndm"])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_batch_equals_its_pictures_one_by_one(bases: dict[str, Path], family: str, sampler: str) -> None:
    made = drawing(base(bases[family]))
    prompts = ("a dog", "a red robe, night", "", "a dog")
    four = [replace(DOG, prompt=text, seed=seed, sampler=sampler) for seed, text in enumerate(prompts)]
    together = made.latents(four)
    for number, one in enumerate(four):
        # rounding depends on a batch's size; latents of these random weights reach 20
        assert difference(made.latents([one])[0], together[number]) < 1e-4 * float(together.abs().max())
    assert difference(together[0], together[3]) > 0.1


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_pixels_of_a_batch_equal_its_pictures_one_by_one(bases: dict[str, Path], family: str) -> None:
    made = drawing(base(bases[family]))
    three = [replace(DOG, prompt=text, seed=seed) for seed, text in enumerate(("a dog", "a red robe, night", ""))]
    drawn = made.draw(three)
    assert all(np.abs(a.astype(int) - made.draw([one])[0]).max() <= 1 for a, one in zip(drawn, three, strict=True))


def test_batches_hold_pictures_of_one_shape() -> None:
    pictures = [DOG, replace(DOG, seed=9), replace(DOG, prompt="x"), replace(DOG, width=128), DOG]
    assert list(batches(pictures, 2)) == [[0, 1], [2], [3], [4]]
    assert list(batches(pictures, 8)) == [[0, 1, 2], [3], [4]]
    assert list(batches([], 8)) == []


def test_offloading_and_float16_noise_change_nothing_but_rounding(bases: dict[str, Path]) -> None:
    backbone = base(bases["sdxl"])
    plain = drawing(backbone).latents([DOG])
    assert difference(drawing(backbone, offload=True).latents([DOG]), plain) == 0
    rounded = drawing(backbone, dtype=torch.bfloat16).latents([DOG])
    # the same noise: only the UNet is rounded. Another seed is far away
    assert float((rounded - plain).abs().mean()) < 0.5
    assert float((drawing(backbone).latents([replace(DOG, seed=4)]) - plain).abs().mean()) > 5


def test_tiles_show_the_same_picture() -> None:
    """The carried VAE looks at 8×8 pixels alone, so that tiles make no difference."""
    backbone = base(Path("tiny"))
    wide = replace(DOG, width=768, height=256, steps=1)
    widths: list[int] = []
    backbone.vae.decoder.register_forward_hook(lambda _, args, __: widths.append(args[0].shape[-1]))  # type: ignore[union-attr]
    [whole], [tiled] = (drawing(backbone, tiled=tiled).draw([wide]) for tiled in (False, True))
    assert widths[0] == 96 and len(widths) > 2 and max(widths[1:]) == 64
    assert (whole == tiled).all()
    drawing(backbone).draw([wide])
    assert widths[-1] == 96, "tiles are switched off again"


def test_stopping_takes_effect_between_steps(bases: dict[str, Path]) -> None:
    asked: list[int] = []

    def stopping() -> bool:
        asked.append(1)
        return len(asked) > 2

    made = TextToImage(base(bases["sd1"]), CPU, "epsilon", False, stopping)
    with pytest.raises(Interrupted):
        made.draw([replace(DOG, steps=50)])
    assert len(asked) == 3


def test_numbers_that_overflow_are_an_error(bases: dict[str, Path]) -> None:
    backbone = base(bases["sd1"])
    with torch.no_grad():
        backbone.parts["unet"].conv_out.bias.fill_(float("inf"))  # type: ignore[union-attr,operator]
    with pytest.raises(CurateError, match="not finite in float32") as error:
        drawing(backbone).draw([DOG])
    assert "precision" in error.value.remedy
