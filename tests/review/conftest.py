from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.folder.helpers import Project
from tests.review.helpers import Site, site


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Three dogs and a cat, prepared once. Their sources are so old that the ledger trusts their times."""
    place = tmp_path_factory.mktemp("prepared")
    project = Project(place, concepts={"dog": {"trigger": ["zwx dog"]}})
    for n in range(3):
        project.picture(f"dog/{n}.png", 10 + 60 * n, size=32)
    project.picture("cat/ä b.png", 200, "a cat, <script>alert(1)</script>", size=32)
    for path in place.rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    project.run()
    return project


@pytest.fixture
def dogs(prepared: Project, tmp_path: Path) -> Project:
    """The prepared pictures in a place of the test's own."""
    shutil.copytree(prepared.place, tmp_path / "dogs")
    return dataclasses.replace(prepared, place=tmp_path / "dogs", concepts=dict(prepared.concepts))


@pytest.fixture
def served(dogs: Project) -> Iterator[Site]:
    with site(dogs.out) as served:
        yield served
