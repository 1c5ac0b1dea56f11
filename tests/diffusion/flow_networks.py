"""The families of rectified flow that tests of what they do run over."""

from __future__ import annotations

from curate.diffusion.family import families
from curate.diffusion.family_class import family_class


def flow_networks() -> list[str]:
    """Families by name, of those with one network in several sizes the last."""
    found = [name for name, declared in families().items() if declared.objective == "flow"]
    return [*{family_class(name).predict: name for name in found}.values()]
