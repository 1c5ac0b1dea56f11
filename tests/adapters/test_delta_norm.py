"""The length of ΔW, which max norm asks for after every step, equals that of the dense form and never makes it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from curate.adapters.base import Adapter, Plan, Shape
from curate.adapters.linear import PORTION
from curate.adapters.make import make
from tests.adapters.helpers import Largest, shaken

FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "loha": ("loha", {"rank": 4}),
    "loha-large": ("loha", {"rank": 48}),
    "loha-scalar": ("loha", {"rank": 48, "scalar": True}),
    "loha-tucker": ("loha", {"rank": 3, "tucker": True}),
    "glora": ("glora", {"rank": 4}),
    "ia3": ("ia3", {"rank": 1}),
    "ia3-in": ("ia3", {"rank": 1, "on_input": True}),
    "dylora": ("dylora", {"rank": 8, "unit": 4}),
}
# of more than two portions, with outputs that no portion divides
LAYERS = {"linear": nn.Linear(1024, 2111), "conv": nn.Conv2d(256, 1021, 3, padding=1)}


def built(form: str, kind: str) -> Adapter:
    algo, plan = FORMS[form]
    layer = LAYERS[kind]
    adapter = make(algo, Shape.of(layer), Plan(**{"alpha": 2.0, **plan}))
    adapter.attach(layer)
    adapter.start(torch.Generator().manual_seed(0))
    return shaken(adapter)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("form", FORMS)
def test_length_by_portions_is_that_of_the_whole(form: str, kind: str) -> None:
    adapter = built(form, kind)
    whole = float(adapter.delta().detach().double().norm())
    with Largest() as made:
        assert float(adapter.norm()) == pytest.approx(whole, rel=1e-4)
        adapter.limit(whole / 2)
    assert float(adapter.delta().detach().double().norm()) == pytest.approx(whole / 2, rel=1e-4)
    assert adapter.shape.out * adapter.shape.into * adapter.shape.area > 2 * PORTION
    assert made.size <= PORTION
