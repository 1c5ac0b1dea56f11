"""Files of text encoders in 8 bits: with scales as ComfyUI's are, and in forms that are not read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from curate.diffusion.text.text_encoder import read_encoder
from curate.errors import InputError


def test_weights_in_8_bits_are_multiplied_by_their_scales(tmp_path: Path) -> None:
    weight, scale = torch.randn(8, 8) * 0.02, torch.tensor(0.001)
    held = {
        "a.weight": (weight / scale).to(torch.float8_e4m3fn),
        "a.scale_weight": scale,
        "a.scale_input": torch.tensor(1.0),
        "norm.weight": torch.ones(8),
        "scaled_fp8": torch.zeros(0, dtype=torch.float8_e4m3fn),
    }
    save_file(held, tmp_path / "t5.safetensors")
    found = read_encoder(tmp_path / "t5.safetensors")
    assert found.keys() == {"a.weight", "norm.weight"}
    torch.testing.assert_close(found["a.weight"].float(), weight, rtol=0.08, atol=1e-5)


def test_other_forms_are_refused(tmp_path: Path) -> None:
    save_file(
        {"a.weight": torch.zeros(4, dtype=torch.int8), "a.comfy_quant": torch.zeros(1)}, tmp_path / "t5.safetensors"
    )
    with pytest.raises(InputError, match=r"in a form that is not read: it holds a\.comfy_quant"):
        read_encoder(tmp_path / "t5.safetensors")
