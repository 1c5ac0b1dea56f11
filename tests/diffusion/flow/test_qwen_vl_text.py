"""Qwen-VL's language model, read from folders and files as transformers' own model computes with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from curate.diffusion import tiny_text
from curate.diffusion.library_logging import quiet
from curate.diffusion.text import describe, qwen_vl_text
from curate.diffusion.text.caption_encoder import read_tokenizer
from curate.diffusion.text.qwen_vl_text import CLASSES, Kind
from curate.errors import InputError


def renamed(state: Mapping[str, Tensor], before: str) -> dict[str, Tensor]:
    """The language model's tensors behind another wrapper, beside those of the part that sees."""
    parts = {key: re.sub(r"^model\.(language_model\.)?", "", key) for key in state}
    return {
        name if name.startswith(("visual.", "lm_head.")) else before + name: state[key] for key, name in parts.items()
    }


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_language_model_is_transformers_own(kind: Kind, tmp_path: Path) -> None:
    import transformers

    theirs: Any = transformers
    tiny_text.write_qwen_vl(tmp_path, tmp_path / "tokenizer", kind)
    words = read_tokenizer("Qwen2Tokenizer", tmp_path / "tokenizer")
    read = words(describe.message("a red dog"))["input_ids"]
    assert len(words(describe.BEFORE)["input_ids"]) == describe.DROPPED
    ids = torch.tensor([read])
    with quiet():
        whole = getattr(theirs, f"{CLASSES[kind]}ForConditionalGeneration").from_pretrained(tmp_path).eval()
    saved = load_file(tmp_path / "model.safetensors")
    folder, file = tmp_path, tmp_path / "file" / "qwen_vl.safetensors"
    file.parent.mkdir()
    save_file(renamed(saved, "model.language_model." if kind == "Qwen2.5-VL" else "model."), file)
    with torch.no_grad():
        expected = whole(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states
        for place in (folder, file):
            model: Any = qwen_vl_text.load(place, torch.float32, kind)
            found = model(input_ids=ids, output_hidden_states=True).hidden_states
            assert not any("visual" in name for name, _ in model.named_modules())
            torch.testing.assert_close(found, expected)
    other: Kind = "Qwen3-VL" if kind == "Qwen2.5-VL" else "Qwen2.5-VL"
    with pytest.raises(InputError, match=rf"qwen_vl\.safetensors is not a {other} text encoder: it is another"):
        qwen_vl_text.load(file, torch.float32, other)


def test_a_file_in_8_bits_with_scales_is_made_whole(tmp_path: Path) -> None:
    tiny_text.write_qwen_vl(tmp_path, tmp_path / "tokenizer", "Qwen2.5-VL")
    plain = load_file(tmp_path / "model.safetensors")
    plain = renamed(plain, "model.")
    scaled = {key: tensor for key, tensor in plain.items() if "visual" not in key}
    for key in [key for key in scaled if key.endswith("_proj.weight")]:
        scale = scaled[key].abs().max() / 448
        scaled[key] = (scaled[key] / scale).to(torch.float8_e4m3fn)
        scaled[key.replace(".weight", ".scale_weight")] = scale
        scaled[key.replace(".weight", ".scale_input")] = torch.ones(1)
    file = tmp_path / "qwen_2.5_vl_7b_fp8_scaled.safetensors"
    save_file({**scaled, "scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}, file)
    model = qwen_vl_text.load(file, torch.float32, "Qwen2.5-VL")
    for key, tensor in model.state_dict().items():
        # three bits behind the point, or what is smallest
        expected = plain[f"model.{key}"]
        torch.testing.assert_close(tensor, expected, rtol=2**-4, atol=float(expected.abs().max()) / 2**10)
    save_file({**scaled, "model.layers.0.mlp.down_proj.comfy_quant": torch.zeros(2)}, file)
    with pytest.raises(InputError, match="stored in a form that is not read"):
        qwen_vl_text.load(file, torch.float32, "Qwen2.5-VL")
