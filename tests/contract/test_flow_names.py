"""What is known of a flow family's files beyond training: other names, merged bases, sampling with a LoRA."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from curate.adapters.lora_file import read_layers
from curate.diffusion.base_weights import BaseWeights
from curate.diffusion.family_class import family_class
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.load import load
from curate.lora.convert import convert
from curate.lora.file import open_lora
from curate.lora.into_base import merge_into_base
from curate.lora.weights import weighted
from curate.sampling.loras import LoraStrength, applied, read_lora
from tests.diffusion.flow_networks import flow_networks
from tests.train.conftest import draw_folder, one_thread, own_cache, run

__all__ = ["one_thread", "own_cache"]
FLOW = flow_networks()


@pytest.mark.parametrize("name", FLOW)
def test_a_lora_changes_a_picture_alike_under_every_name_and_merged(name: str, tmp_path: Path) -> None:
    made = family_class(name)
    assert issubclass(made, FlowTransformer)
    base = tmp_path / name  # which tells that it is not distilled
    made.write_tiny(base)
    given = {"steps": 2, "rank": 2, "alpha": 1.0, "learning_rate": 1e-1, "save_precision": "fp32", "tensorboard": False}
    path, _ = run(draw_folder(tmp_path / "prepared"), base=str(base), resolution=64, bucket_step=32, **given)
    file = open_lora(str(path))
    assert file.table is not None and file.table.family.name == name
    backbone = load(str(base), True)
    assert backbone.captions is not None
    texts = backbone.captions.encode(["a dog"], torch.device("cpu"), torch.float32)
    noisy, times = torch.randn(1, *backbone.latent_shape(64, 64)), torch.tensor([0.6])

    def predicted(lora: Path) -> torch.Tensor:
        pair = read_lora(lora, backbone), LoraStrength(lora)
        with applied(backbone, [pair], torch.device("cpu")), torch.no_grad():
            return backbone.predict(noisy, times, backbone.collate(texts))

    with torch.no_grad():
        plain = backbone.predict(noisy, times, backbone.collate(texts))
    changed = predicted(path)
    assert float((changed - plain).abs().max()) > 1e-3
    for names in ("kohya", "diffusers", "comfyui"):
        other = tmp_path / f"{names}.safetensors"
        assert convert(file, names, other).left_out == ()
        assert set(read_layers(str(other), backbone.layer_names())) == set(file.layers)
        torch.testing.assert_close(predicted(other), changed, rtol=1e-4, atol=1e-5)
    whole = tmp_path / "merged"
    merge_into_base([weighted(str(path))], BaseWeights.open(str(base), True), whole)
    merged = load(str(whole), True)
    with torch.no_grad():
        found = merged.predict(noisy, times, merged.collate(texts))
    torch.testing.assert_close(found, changed, rtol=1e-3, atol=1e-4)
