"""The trainer's fixtures: a cache of their own, one thread; and narrow base models of every family."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.diffusion.helpers import narrow
from tests.train.conftest import one_thread, own_cache

__all__ = ["bases", "one_thread", "own_cache"]


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> dict[str, Path]:
    """A narrow diffusers folder of each family."""
    place = tmp_path_factory.mktemp("bases")
    return {family: narrow(place / family, family) for family in ("sd1", "sd2", "sdxl")}
