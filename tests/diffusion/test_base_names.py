"""Hub names of models that cannot be trained, or are distilled, are refused before anything of them is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.diffusion.base_names import check_trainable
from curate.diffusion.family import families
from curate.errors import InputError
from curate.train.options import TrainOptions
from curate.train.planning.requirements import missing

DISTILLED = {
    "Tongyi-MAI/Z-Image-Turbo": "Tongyi-MAI/Z-Image",
    "black-forest-labs/FLUX.2-klein-4B": "black-forest-labs/FLUX.2-klein-base-4B",
    "black-forest-labs/FLUX.2-klein-9B": "black-forest-labs/FLUX.2-klein-base-9B",
    "krea/Krea-2-Turbo": "krea/Krea-2-Raw",
    "lightx2v/Qwen-Image-Lightning": "Qwen/Qwen-Image",
    "stabilityai/stable-diffusion-3.5-large-turbo": "stabilityai/stable-diffusion-3.5-large",
    "lodestones/Chroma1-Flash": "lodestones/Chroma1-HD",
}
OTHERS = {
    "black-forest-labs/FLUX.1-schnell": "FLUX.1 schnell",
    "black-forest-labs/FLUX.2-dev": r"FLUX\.2 dev",
    "Qwen/Qwen-Image-Edit-2511": "Qwen-Image-Edit",
}


@pytest.mark.parametrize("name", DISTILLED)
def test_a_distilled_model_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name} is distilled to few steps") as error:
        check_trainable(name, None, None)
    assert DISTILLED[name] in str(error.value.remedy) and "--distilled" in str(error.value.remedy)
    check_trainable(name, None, True)


@pytest.mark.parametrize("name", OTHERS)
def test_what_cannot_be_trained_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name} looks like {OTHERS[name]}, which cannot be trained"):
        check_trainable(name, None, None)
    check_trainable(name, "sd1", None)


@pytest.mark.parametrize("name", [hub for one in families().values() for hub in one.common])
def test_common_bases_are_not_refused(name: str) -> None:
    check_trainable(name, None, None)


def test_it_is_said_before_the_download(tmp_path: Path) -> None:
    [lack] = missing(TrainOptions(base="Tongyi-MAI/Z-Image-Turbo"), tmp_path / "prepared", "cpu")
    assert lack.message.startswith("Tongyi-MAI/Z-Image-Turbo is distilled")
    assert missing(TrainOptions(base="Tongyi-MAI/Z-Image"), tmp_path / "prepared", "cpu") == []
