"""From a family's name to the class that loads and runs it."""

from __future__ import annotations

import importlib

from curate.core import declarations, registry
from curate.diffusion.base import Backbone
from curate.diffusion.family import PACKAGE, family


def family_class(name: str) -> type[Backbone]:
    """The class of a family. Raises InputError."""
    family(name)
    return registry.only_class(importlib.import_module(declarations.module_of(PACKAGE, name)), Backbone)
