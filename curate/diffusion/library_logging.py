"""Keeps the libraries that read and write models from talking on stderr."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from importlib import import_module


def silence_bitsandbytes() -> None:
    """No advice to download kernels, which nothing here runs; said before it is imported."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


@contextlib.contextmanager
def quiet(*libraries: str) -> Generator[None]:
    """No progress bars and no advice on stderr from the libraries that read models: transformers and diffusers.

    With names, from these alone: what needs only a tokenizer need not load diffusers, which takes PyTorch with it.
    """
    silence_bitsandbytes()
    found = [import_module(f"{name}.utils.logging") for name in libraries or ("transformers", "diffusers")]
    before = [(one, one.get_verbosity(), one.is_progress_bar_enabled()) for one in found]
    for one in found:
        one.set_verbosity_error()
        one.disable_progress_bar()
    try:
        yield
    finally:
        for one, level, bar in before:
            one.set_verbosity(level)
            if bar:
                one.enable_progress_bar()
