"""A small model of each module's `FAMILY`, in a `FOLDER` whose name tells it; one thread and a cache of their own."""

from pathlib import Path

import pytest

from curate.diffusion.base import Backbone
from curate.diffusion.load import load
from tests.train.conftest import one_thread, own_cache

__all__ = ["one_thread", "own_cache"]


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
