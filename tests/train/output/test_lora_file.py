"""Files load elsewhere with the effect they had here: diffusers, lycoris-lora; metadata and hashes as published."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from curate.adapters import safetensors_file
from curate.diffusion import tiny
from curate.errors import CurateError
from curate.train.network.network import Network
from curate.train.options import TrainOptions
from curate.train.output import lora_file
from curate.train.trainer import attach
from tests.train.conftest import run
from tests.train.helpers import effect, kohya_layers, shaken

OPTIONS: list[dict[str, Any]] = [
    {"algo": "lora", "rank": 4, "alpha": 2.0},
    {"algo": "locon", "rank": 4, "alpha": 2.0, "conv_rank": 2},
    {"algo": "loha", "rank": 2, "layer_preset": "full"},
    {"algo": "lokr", "factor": 8, "layer_preset": "full"},
    {"algo": "lokr", "factor": 4, "rank": 2, "decompose_both": True},
    {"algo": "glora", "rank": 2, "layer_preset": "full"},
    {"algo": "diag-oft", "rank": 8, "rescaled": True},
    {"algo": "boft", "rank": 16, "constraint": 0.01},
    {"algo": "full", "layer_preset": "full", "train_norm": True},
    {"algo": "dylora", "rank": 4, "dylora_unit": 2},
]


def saved(network: Network, path: Path) -> Path:
    path.write_bytes(safetensors_file.serialize(network.tensors(), {}))
    return path


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())))
def test_lycoris_loads_the_file_with_the_same_effect(tmp_path: Path, options: dict[str, Any]) -> None:
    modules = pytest.importorskip("lycoris.modules")
    backbone, network = shaken(options)
    with_adapters = effect(backbone)
    path = saved(network, tmp_path / "x.safetensors")
    network.detach()
    plain = effect(backbone)
    assert float((with_adapters - plain).abs().max()) > 0.05
    tensors, _ = safetensors_file.read(path)
    layers = kohya_layers(backbone)
    names = {key.split(".")[0] for key in tensors}
    assert names == set(network.adapters)
    with torch.no_grad():
        for name in names:
            found, parameters = modules.get_module(tensors, name)
            modules.make_module(found, parameters, name, layers[name]).apply_to()
    torch.testing.assert_close(effect(backbone), with_adapters, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS[:2], ids=lambda o: o["algo"])
def test_diffusers_loads_the_file_with_the_same_effect(tmp_path: Path, options: dict[str, Any]) -> None:
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("peft")
    backbone, network = shaken({**options, "layer_preset": "unet-only" if options["algo"] == "locon" else "attn-mlp"})
    ours = effect(backbone)
    path = saved(network, tmp_path / "x.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(tiny.folder())
        pipe.load_lora_weights(tmp_path, weight_name=path.name)
    network.detach()
    backbone.parts = {"unet": pipe.unet, "te1": pipe.text_encoder}
    backbone.texts[0].model = pipe.text_encoder
    torch.testing.assert_close(effect(backbone), ours, rtol=1e-4, atol=1e-5)


def test_trained_file_has_what_readers_show(folder: Path) -> None:
    path, _ = run(folder, steps=2, algo="lokr", factor=8, output_name="My: dog")
    assert path.name == "My_ dog.safetensors"
    tensors, metadata = safetensors_file.read(path)
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    assert metadata["sshs_model_hash"] == hashlib.sha256(data[start:]).hexdigest()
    alone = save(tensors, {key: value for key, value in metadata.items() if key.startswith("ss_")})
    assert metadata["sshs_legacy_hash"] == hashlib.sha256(alone[0x100000:0x110000]).hexdigest()[:8]
    assert metadata["sshs_model_hash"] == hashlib.sha256(alone[8 + int.from_bytes(alone[:8], "little") :]).hexdigest()
    assert metadata["ss_output_name"] == "My_ dog"
    assert metadata["ss_network_module"] == "lycoris.kohya"
    assert json.loads(metadata["ss_network_args"])["algo"] == "lokr"
    assert json.loads(metadata["ss_tag_frequency"])["2_zwx dog"]["simple background"] == 2
    assert json.loads(metadata["ss_dataset_dirs"])["2_zwx dog"] == {"n_repeats": 2, "img_count": 2}
    assert metadata["ss_base_model_version"] == "sd_v1"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert not any("started" in key or "date" in key for key in metadata)
    assert {t.dtype for t in tensors.values()} == {torch.float32}
    assert all(t.dim() == 0 for k, t in tensors.items() if k.endswith("alpha"))


@pytest.mark.parametrize(("wanted", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
@pytest.mark.parametrize("algo", ["lora", "lokr"])
def test_save_precision(folder: Path, algo: str, wanted: str, dtype: torch.dtype) -> None:
    path, _ = run(folder, steps=1, algo=algo, save_precision=wanted)
    assert {t.dtype for t in safetensors_file.read(path)[0].values()} == {dtype}


def test_container_is_what_the_library_writes(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = {
        "b": torch.randn(3, 2),
        "a": torch.tensor(2.0, dtype=torch.float16),
        "c": torch.arange(4),
        "empty": torch.zeros(0, 3),
        "d": torch.randn(5, dtype=torch.bfloat16),
    }
    ours = tmp_path / "x.safetensors"
    ours.write_bytes(safetensors_file.serialize(tensors, {"z": "1", "a": "é"}))
    read, metadata = safetensors_file.read(ours)
    assert metadata == {"z": "1", "a": "é"}
    assert all(torch.equal(read[k], t) for k, t in tensors.items())
    assert all(torch.equal(load_file(ours)[k], t) for k, t in tensors.items())
    assert safetensors_file.serialize(tensors, {}) == save(tensors)


def test_check_finds_what_a_reader_would_ignore(tmp_path: Path) -> None:
    _, network = shaken(OPTIONS[0])
    good = network.tensors()
    path = tmp_path / "x.safetensors"

    def check(tensors: dict[str, Tensor]) -> None:
        path.write_bytes(safetensors_file.serialize(tensors, {}))
        lora_file.check(path, network)

    check(good)
    name = next(iter(good))
    with pytest.raises(CurateError, match="ignore: lora_te_encoder_layers_0"):
        check({**good, "lora_te_encoder_layers_0_mlp_fc1.alpha": torch.tensor(1.0)})
    with pytest.raises(CurateError, match=r"ignore: .*\.odd"):
        check({**good, name.split(".")[0] + ".odd": torch.tensor(1.0)})
    with pytest.raises(CurateError, match="does not hold what was trained"):
        check({k: v for k, v in good.items() if k != name})
    with pytest.raises(CurateError, match="not finite"):
        check({**good, name: good[name] * float("nan")})


def test_a_file_of_the_same_form_loads_back() -> None:
    backbone, network = shaken(OPTIONS[2])
    tensors, wanted = network.tensors(), effect(backbone)
    network.detach()
    again = attach(TrainOptions(**OPTIONS[2]), backbone)
    again.load(tensors)
    torch.testing.assert_close(effect(backbone), wanted)
    again.enable(False)
    assert not torch.allclose(effect(backbone), wanted, atol=1e-3)
