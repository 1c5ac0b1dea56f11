"""Keeps the libraries that read and write models from talking on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Generator


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """No progress bars and no advice on stderr from the libraries that read models."""
    import diffusers.utils.logging as d
    import transformers.utils.logging as t

    levels = t.get_verbosity(), d.get_verbosity()
    bars = t.is_progress_bar_enabled(), d.is_progress_bar_enabled()
    t.set_verbosity_error()
    d.set_verbosity_error()
    t.disable_progress_bar()
    d.disable_progress_bar()
    try:
        yield
    finally:
        t.set_verbosity(levels[0])
        d.set_verbosity(levels[1])
        if bars[0]:
            t.enable_progress_bar()
        if bars[1]:
            d.enable_progress_bar()
