"""Layers that files hold as one: ΔW of the one is those of the parts below each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from curate.adapters.joining import Tensors, joined
from curate.adapters.layer_name import LayerName
from curate.errors import InputError

PARTS = [
    LayerName(f"lora_unet_to_{what}", "unet", f"to_{what}", "attn", joint="qkv", rows=(n, n + 1, 3))
    for n, what in enumerate("qkv")
]


def change(tensors: Tensors) -> Tensor:
    """ΔW, written out."""
    if "lora_up.weight" in tensors:
        delta, rank = tensors["lora_up.weight"] @ tensors["lora_down.weight"], len(tensors["lora_down.weight"])
    else:
        one, two = (tensors[f"hada_w{n}_a"] @ tensors[f"hada_w{n}_b"] for n in (1, 2))
        delta, rank = one * two, len(tensors["hada_w1_b"])
    return delta * (float(tensors["alpha"]) / rank if "alpha" in tensors else 1)


def lora(rank: int, alpha: float | None = None) -> dict[str, Tensor]:
    found = {"lora_down.weight": torch.randn(rank, 6), "lora_up.weight": torch.randn(4, rank)}
    return found if alpha is None else {**found, "alpha": torch.tensor(alpha)}


def loha(rank: int, alpha: float) -> dict[str, Tensor]:
    found = {f"hada_w{n}_a": torch.randn(4, rank) for n in (1, 2)} | {"alpha": torch.tensor(alpha)}
    return found | {f"hada_w{n}_b": torch.randn(rank, 6) for n in (1, 2)}


@pytest.mark.parametrize(
    ("parts", "rank"),
    [
        ([lora(2, 1.0), lora(2, 1.0), lora(2, 1.0)], 6),
        ([lora(2), lora(3), lora(1)], 6),
        ([lora(2, 1.0), lora(4, 4.0), lora(1)], 7),
        ([loha(2, 1.0), loha(2, 1.0), loha(2, 1.0)], 6),
        ([loha(2, 1.0), loha(3, 6.0), loha(2, 1.0)], 7),
    ],
    ids=["lora", "ranks", "strengths", "loha", "loha-strengths"],
)
def test_the_change_is_that_of_the_parts(parts: list[dict[str, Tensor]], rank: int) -> None:
    found = joined(list(zip(PARTS, parts, strict=True)))
    torch.testing.assert_close(change(found), torch.cat([change(part) for part in parts]))
    assert len(found["lora_down.weight" if "lora_down.weight" in found else "hada_w1_b"]) == rank
    last = joined([(PARTS[2], parts[2]), (PARTS[0], parts[0])])
    torch.testing.assert_close(change(last)[:4], change(parts[0]))
    assert not change(last)[4:8].any()


def test_a_shared_factor_stays_one() -> None:
    whole = lora(2, 1.0)
    parts = [{**whole, "lora_up.weight": torch.randn(4, 2)} for _ in range(3)]
    found = joined(list(zip(PARTS, parts, strict=True)))
    assert torch.equal(found["lora_down.weight"], whole["lora_down.weight"])
    assert torch.equal(found["lora_up.weight"], torch.cat([part["lora_up.weight"] for part in parts]))


def test_what_cannot_be_joined_is_refused() -> None:
    for odd in ({"lokr_w1": torch.ones(2, 2)}, {**lora(2), "dora_scale": torch.ones(1, 6)}):
        with pytest.raises(InputError, match="to_q and to_k are one matrix under these names"):
            joined([(PARTS[0], odd), (PARTS[1], odd)])
