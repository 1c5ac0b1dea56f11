"""A small model of each module's `FAMILY`, in a `FOLDER` whose name tells it; one thread and a cache of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.diffusion.base import Backbone
from curate.diffusion.load import load
from curate.train.options import TrainOptions
from curate.train.planning.base_checks import check_base
from curate.train.planning.base_place import base_traits
from tests.train.conftest import one_thread, own_cache

__all__ = ["one_thread", "own_cache"]
CheckNamed = Callable[..., None]


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder in diffusers' layout."""
    folder = tmp_path_factory.mktemp("models") / request.module.FOLDER
    request.module.FAMILY.write_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def backbone(place: Path) -> Backbone:
    """The model, loaded."""
    return load(str(place), True)


@pytest.fixture
def check(place: Path, tmp_path: Path) -> CheckNamed:
    """Checks the model as a base for training whose folder has the name that is given."""

    def check_named(name: str, **given: Any) -> None:
        folder = tmp_path / name
        if not folder.exists():
            folder.symlink_to(place)
        options = TrainOptions(base=str(folder), **given)
        check_base(options, base_traits(options, folder), folder, torch.device("cpu"))

    return check_named
