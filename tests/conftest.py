"""What all tests share: no network, no time limit on a drawn example, real pictures, and processes that start fast."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.warm import Server

# a hub that is asked by mistake must fail at once, not slowly
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

settings.register_profile("curate", deadline=None)
settings.load_profile("curate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders with slow tests come first: near the end a long one would leave the other processes without work."""
    slow = {item.path.parent for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path.parent not in slow)


DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Real pictures, hostile files and tag tables; a test that asks for them is skipped where they are missing."""
    if not DATA.is_dir():
        pytest.skip("the test data folder ../shared/data is missing")
    return DATA


@pytest.fixture(scope="session")
def server() -> Iterator[Server | None]:
    """What forks commands; None where there is no fork."""
    if not hasattr(os, "fork"):
        yield None
        return
    server = Server()
    yield server
    server.end()
