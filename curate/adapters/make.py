"""Makes adapters: from an algorithm's name to its class."""

from __future__ import annotations

import importlib

from curate.adapters.algorithm import PACKAGE, algorithm
from curate.adapters.base import Adapter, Plan, Shape
from curate.core import declarations, registry


def adapter_class(name: str) -> type[Adapter]:
    """The class of an algorithm. Raises InputError."""
    algorithm(name)
    return registry.only_class(importlib.import_module(declarations.module_of(PACKAGE, name)), Adapter)


def make(name: str, shape: Shape, plan: Plan) -> Adapter:
    """A new adapter; its parameters hold no values before `start`."""
    return adapter_class(name).create(shape, plan)
