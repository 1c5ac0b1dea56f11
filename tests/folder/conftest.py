from __future__ import annotations

from pathlib import Path

import pytest

from tests.folder.helpers import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def dogs(project: Project) -> Project:
    """Three dogs, prepared once."""
    project.concepts = {"dog": {"trigger": ["zwx dog"]}}
    for n in range(3):
        project.picture(f"dog/{n}.png", 10 + n)
    project.run()
    return project
