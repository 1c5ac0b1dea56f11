"""The trainer's fixtures, and narrow base models of every family, drawn once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.diffusion.helpers import narrow
from tests.train.conftest import folder, one_thread, own_cache

__all__ = ["folder", "one_thread", "own_cache"]

V = {"prediction_type": "v_prediction"}


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> dict[str, Path]:
    """A folder of each family's narrow model; SD 2.x with v-prediction."""
    place = tmp_path_factory.mktemp("bases")
    return {family: narrow(place / family, family, **(V if family == "sd2" else {})) for family in FAMILIES}


FAMILIES = ("sd1", "sd2", "sdxl")
