"""What the trainer sets for PyTorch as a whole is as before when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from curate.diffusion.device import SMALL, reproducible


def state() -> tuple[Any, ...]:
    modes = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.get_num_threads(), *modes, torch.get_rng_state().sum().item()


@pytest.fixture(params=[(False, False), (True, False), (True, True)], ids=["off", "strict", "warnings"])
def before(request: pytest.FixtureRequest) -> Iterator[tuple[Any, ...]]:
    own = state()
    torch.use_deterministic_algorithms(request.param[0], warn_only=request.param[1])
    yield state()
    torch.use_deterministic_algorithms(own[1], warn_only=own[2])


def test_pytorch_is_left_as_it_was(before: tuple[Any, ...]) -> None:
    with reproducible(torch.device("cpu"), 1):
        assert state()[:3] == (1, True, True)
        torch.rand(3)
    assert state() == before


def test_after_an_error_and_in_an_inner_block_too(before: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="wrong"), reproducible(torch.device("cpu"), SMALL):
        outer = state()
        with reproducible(torch.device("cpu"), 1):
            torch.rand(3)
        assert state() == outer
        raise ValueError("wrong")
    assert state() == before
