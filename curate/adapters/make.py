"""Makes adapters: from an algorithm's name to its class."""

from __future__ import annotations

import importlib

from curate.adapters.algorithm import PACKAGE, algorithm
from curate.adapters.base import Adapter, BareAdapter, Plan, Shape
from curate.adapters.dropout import KEEP, Drop
from curate.adapters.linear import LinearAdapter
from curate.adapters.wrappers import Dropout
from curate.core import declarations, registry


def adapter_class(name: str) -> type[BareAdapter]:
    """The class of an algorithm. Raises InputError."""
    algorithm(name)
    return registry.only_class(importlib.import_module(declarations.module_of(PACKAGE, name)), BareAdapter)


def make(name: str, shape: Shape, plan: Plan) -> Adapter:
    """A new adapter, with the plan's dropouts; its parameters hold no values before `start`."""
    adapter = adapter_class(name).create(shape, plan)
    drop = Drop(plan.dropout, plan.rank_dropout, plan.module_dropout)
    return Dropout(adapter, drop) if drop != KEEP and isinstance(adapter, LinearAdapter) else adapter
