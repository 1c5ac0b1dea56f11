"""The trainer's fixtures, and small models that look at pictures, drawn once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluate.helpers import make_models
from tests.train.conftest import folder, one_thread, own_cache

__all__ = ["folder", "one_thread", "own_cache"]


@pytest.fixture(scope="session")
def viewers(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> dict[str, str]:
    """Folders of a small DINOv2, CLIP and VGG19 by option."""
    return make_models(tmp_path_factory.mktemp("viewers"))
