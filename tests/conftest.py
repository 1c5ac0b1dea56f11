"""What all tests share: no network, no time limit on a single drawn example."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.warm import Server

# a hub that is asked by mistake must fail at once, not slowly
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

settings.register_profile("curate", deadline=None)
settings.load_profile("curate")


@pytest.fixture(scope="session")
def server() -> Iterator[Server | None]:
    """What forks commands; None where there is no fork."""
    if not hasattr(os, "fork"):
        yield None
        return
    server = Server()
    yield server
    server.end()
