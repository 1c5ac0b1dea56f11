"""Compiles the UNet's repeated blocks (torch.compile): all blocks of a kind and width share what is compiled once."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from collections.abc import Generator
from typing import Any

import torch

from curate.core.warning_filters import ignore_warnings
from curate.errors import MissingError

COMPILERS = ("g++", "clang++", "c++", "cl")
VARIANTS = 64
"""How many shapes and modes of a block are compiled before further ones run as they are: buckets, widths, drawing."""
REMEDY = (
    "leave compile out: the result is the same. It needs a C++ compiler and Python's headers "
    "(Debian, Ubuntu: apt install g++ python3-dev), and on a GPU Triton, which comes with PyTorch on Linux"
)


def lacking(device: torch.device) -> str:
    """What this machine has not and compiling needs, empty where nothing."""
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "Triton"
    named = os.environ.get("CXX")
    names = (named,) if named else COMPILERS
    return "" if any(shutil.which(name) for name in names) else named or "a C++ compiler"


def compile_blocks(unet: Any, device: torch.device) -> None:
    """Has the transformer blocks compiled when they are first used; their adapters are compiled with them.

    Raises MissingError where the machine has nothing to compile with.
    """
    if lack := lacking(device):
        raise MissingError(f"compile: this machine lacks {lack}", REMEDY)
    unet.compile_repeated_blocks()


@contextlib.contextmanager
def compiling(wanted: bool) -> Generator[None]:
    """Turns what a failing compiler raises at a block's first use into one MissingError, and hides its warnings."""
    if not wanted:
        yield
        return
    try:
        with _variants(), ignore_warnings("The .grad attribute of a Tensor that is not a leaf", UserWarning):
            yield
    except Exception as error:
        if not _of_compiler(error):
            raise
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise MissingError(f"compile: {lines[0] if lines else type(error).__name__}", REMEDY) from error


@contextlib.contextmanager
def _variants() -> Generator[None]:
    """Lets PyTorch compile as many variants of a block as a run has; its own limit comes back afterwards."""
    import torch._dynamo  # loaded only here: it takes seconds

    before = torch._dynamo.config.cache_size_limit
    torch._dynamo.config.cache_size_limit = max(VARIANTS, before)
    try:
        yield
    finally:
        torch._dynamo.config.cache_size_limit = before


def _of_compiler(error: Exception) -> bool:
    from torch._dynamo.exc import TorchDynamoException

    return isinstance(error, TorchDynamoException)
