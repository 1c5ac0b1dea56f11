"""A distilled sibling is drawn in its few steps and without guidance, unless the user says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from curate.diffusion.families.zimage import ZImage
from curate.diffusion.family import families
from curate.sampling.drawing_base import Context
from curate.sampling.options import DrawOptions
from curate.sampling.pictures import Pictures
from tests.train.conftest import draw_folder, one_thread, own_cache, run

__all__ = ["one_thread", "own_cache"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tiny model under the names of Z-Image and of its sibling."""
    folder = tmp_path_factory.mktemp("models")
    ZImage.write_tiny(folder / "Z-Image-Turbo")
    (folder / "Z-Image").symlink_to(folder / "Z-Image-Turbo")
    return folder


def test_the_name_of_the_base_tells_the_usual_settings(models: Path) -> None:
    def usual(name: str, **given: float) -> tuple[int, float]:
        options = DrawOptions.model_validate({"prompt": ("a dog",), **given})
        pictures = Pictures(str(models / name), options, Context(torch.device("cpu"), True, lambda event: None))
        [picture] = options.pictures(options.read_prompts(), 64, pictures.family, pictures.distilled)
        return picture.steps, picture.guidance

    assert usual("Z-Image-Turbo") == (8, 1.0)
    assert usual("Z-Image-Turbo", steps=9) == (9, 1.0)
    assert usual("Z-Image") == (50, 5.0)


def test_pictures_while_training_are_drawn_so_too(models: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a dog --w 64 --h 64\n", "utf-8")
    given = {"steps": 1, "rank": 2, "resolution": 64, "bucket_step": 32, "tensorboard": False, "distilled": True}
    path, _ = run(draw_folder(tmp_path / "a"), base=str(models / "Z-Image-Turbo"), sample_prompts=str(prompts), **given)
    [file] = path.parent.rglob("samples/**/*.png")
    with Image.open(file) as picture:
        assert "Steps: 8, " in picture.info["parameters"] and "CFG scale: 1" in picture.info["parameters"]


@pytest.mark.parametrize("name", [name for name, one in families().items() if one.distilled_sampling])
def test_only_families_with_a_sibling_have_such_settings(name: str) -> None:
    own = families()[name]
    assert own.distilled and own.distilled_sampling["steps"] < own.sampling["steps"]
