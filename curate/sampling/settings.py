"""What decides a picture, the models aside; read without torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from curate.diffusion import samplers
from curate.diffusion.family import Family
from curate.diffusion.samplers import Spacing
from curate.errors import InputError
from curate.sampling.prompts import Prompt


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """Everything that decides a picture, the models aside.

    width, height     in pixels, multiples of 8
    guidance          how much the prompt counts against the negative one; 1 leaves the negative one out
    guidance_rescale  share (0 to 1) to which the guided prediction gets the spread of the unguided back
                      (arXiv 2305.08891, section 3.4); of use with zero terminal SNR
    """

    prompt: str
    negative: str = ""
    width: int = 512
    height: int = 512
    seed: int = 0
    steps: int = 30
    guidance: float = 7.5
    guidance_rescale: float = 0.0
    sampler: str = "euler_a"
    spacing: Spacing = "normal"

    @property
    def shape(self) -> tuple[object, ...]:
        """What pictures must share to be drawn in one batch."""
        return (
            *(self.width, self.height, self.steps, self.guidance, self.guidance_rescale),
            *(self.sampler, self.spacing),
        )

    def of_prompt(self, prompt: Prompt) -> PictureSettings:
        """These with what a prompt says; what the prompt leaves open stays."""
        values = {
            "width": prompt.width,
            "height": prompt.height,
            "seed": prompt.seed,
            "guidance": prompt.scale,
            "steps": prompt.steps,
            "negative": prompt.negative or None,
            "sampler": prompt.sampler or None,
        }
        return replace(self, prompt=prompt.text, **{name: value for name, value in values.items() if value is not None})


def usual_of(family: Family, side: int, distilled: bool = False) -> PictureSettings:
    """The settings of a family's pictures, or of its distilled sibling's, that nothing else is said of."""
    usual = {**family.sampling, **(family.distilled_sampling if distilled else {})}
    known = {name: usual[name] for name in ("steps", "guidance", "sampler") if name in usual}
    return PictureSettings("", width=side, height=side, **known)


def check_settings(picture: PictureSettings, family: Family, ztsnr: bool) -> None:
    """Raises InputError for a sampler or a size that the family cannot draw."""
    samplers.check(picture.sampler, ztsnr, picture.spacing, family.objective)
    if picture.width % family.step or picture.height % family.step:
        size = f"{picture.width}x{picture.height}"
        raise InputError(f"{family.title} cannot draw {size} pixels", f"give multiples of {family.step}")


def pictures_of(prompts: Sequence[Prompt], usual: PictureSettings, count: int) -> list[PictureSettings]:
    """So many pictures of each prompt; the seed rises by 1. What a prompt leaves open is as `usual`."""
    first = [usual.of_prompt(prompt) for prompt in prompts]
    return [replace(one, seed=one.seed + n) for one in first for n in range(count)]


def batches(pictures: Sequence[PictureSettings], size: int) -> Iterator[list[int]]:
    """Indices of pictures that are drawn together: at most `size` in a row that share their shape."""
    batch: list[int] = []
    for number, picture in enumerate(pictures):
        if batch and (len(batch) == size or pictures[batch[0]].shape != picture.shape):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
