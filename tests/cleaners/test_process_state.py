"""What loading a cleaner changes for its process is as before afterwards, from two threads too."""

from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path

import pytest
import torch

from cleaners.errors import BadModelError
from cleaners.upscalers.hub import _quiet_hub
from cleaners.upscalers.weights import read_weights


def test_the_hubs_log_level_is_put_back_after_an_error_and_by_two_threads() -> None:
    log = logging.getLogger("huggingface_hub")
    before, inside = log.level, threading.Event()

    def later() -> None:
        inside.set()
        with _quiet_hub():
            assert log.level == logging.ERROR

    thread = threading.Thread(target=later)
    with pytest.raises(ValueError, match="wrong"), _quiet_hub():
        thread.start()
        assert inside.wait(10)
        thread.join(0.05)  # it would be inside by now if nothing held it back
        raise ValueError("wrong")
    thread.join(10)
    assert log.level == before


def test_filters_of_warnings_are_put_back_when_threads_read_weights(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.pth", tmp_path / "b.pth"
    torch.save({"weight": torch.ones(3)}, good, pickle_protocol=3)
    bad.write_bytes(b"\x80\x02nothing")
    before, errors = list(warnings.filters), []

    def read() -> None:
        try:
            for _ in range(20):
                assert read_weights(good)["weight"].sum() == 3
                with pytest.raises(BadModelError):
                    read_weights(bad)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert list(warnings.filters) == before
