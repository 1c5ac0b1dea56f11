"""After a save diffusers' loader is asked what it makes of the file: what it would lose or change is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate.adapters import file_names, safetensors_file
from curate.adapters.key_names import WRITTEN
from curate.adapters.peft_config import HEADER
from curate.diffusion.family import families
from curate.diffusion.family_class import family_class
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.frame import frame_of_family
from curate.diffusion.load import load
from curate.errors import CurateError
from curate.lora.check import check as check_file
from curate.train.network.network import Network, by_layer
from curate.train.options import TrainOptions
from curate.train.output import load_back, lora_file
from curate.train.trainer import attach
from tests.diffusion.flow_networks import flow_networks
from tests.train.conftest import draw_folder, run

FLOW = flow_networks()
FORMS = [(name, names) for name in FLOW for names in families()[name].readers["diffusers"] if names in WRITTEN]
# its converter of these names has the width of the published model built in
FORMS.remove(("flux1", "kohya"))
Make = Callable[..., Network]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Adapters of several ranks on a family's tiny model, away from the start."""
    made: dict[tuple[str, str], Network] = {}

    def of(name: str, algo: str = "lora", **given_too: Any) -> Network:
        if (name, algo) not in made:
            kind = family_class(name)
            assert issubclass(kind, FlowTransformer)
            kind.write_tiny(place := tmp_path_factory.mktemp(name))
            given = TrainOptions(base=str(place), algo=algo, rank=4, alpha=1.0, layers=("_0_=2",), **given_too)
            found = attach(given, load(str(place), True))
            torch.manual_seed(3)
            with torch.no_grad():
                for _, parameter in found.named_parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.05)
            made[name, algo] = found
        return made[name, algo]

    return of


def written(network: Network, names: str, path: Path, header: dict[str, str] | None = None, **changed: Any) -> Path:
    """The file as training writes it, with the tensors of one layer changed."""
    own = {key: tensor.to(torch.bfloat16) for key, tensor in network.tensors().items()}
    own = file_names.named(by_layer(own), network.layer_names, names, ())
    first = re.split(r"\.lo(?:ra|kr)_|\.alpha$", next(iter(own)))[0]
    change: Callable[[str, Tensor], tuple[str, Tensor] | None] = changed.get("change", lambda k, t: (k, t))
    kept = [change(k, t) if k.startswith(f"{first}.") else (k, t) for k, t in own.items()]
    path.write_bytes(safetensors_file.serialize(dict(pair for pair in kept if pair), header or {}))
    return path


@pytest.mark.parametrize(("name", "names"), FORMS)
def test_what_is_written_is_what_diffusers_loads(name: str, names: str, network: Make, tmp_path: Path) -> None:
    load_back.check(written(network(name), names, tmp_path / "x.safetensors"), network(name), names)


@pytest.mark.parametrize(("name", "names"), FORMS)
def test_a_wrong_strength_a_lost_layer_and_an_unread_name_are_found(
    name: str, names: str, network: Make, tmp_path: Path
) -> None:
    def refused(message: str, change: Callable[[str, Tensor], tuple[str, Tensor] | None]) -> None:
        path = written(network(name), names, tmp_path / "x.safetensors", change=change)
        with pytest.raises(CurateError, match=message) as error:
            load_back.check(path, network(name), names)
        assert str(path) in error.value.message and "curate lora convert" in str(error.value.remedy)
        assert path.is_file()

    ends = (".alpha",) if names == "kohya" else (".lora_B.weight",)
    # layers that files hold as one are as wrong as it
    more = r"(, and 2 more)?\n"
    refused(
        r"the layer \S+ loads at 0.25 of its strength" + more, lambda k, t: (k, t * 0.25 if k.endswith(ends) else t)
    )
    refused(r"the layer \S+ loads with other values" + more, lambda k, t: (k, t.flip(0) if t.dim() else t))
    refused(r"the layer \S+ loads as nothing" + more, lambda k, t: None)
    refused(r"the layer \S+ loads as nothing" + more, lambda k, t: (k, t * 0))
    refused(r"loads as nothing, and [13] more|[Kk]ey|name", lambda k, t: (f"{k.partition('.')[0]}_x.{k}", t))
    path = written(network(name), names, tmp_path / "x.safetensors", {HEADER: json.dumps(WEAKER)})
    with pytest.raises(CurateError, match=r"loads at 0\.\d+ of its strength, and \d+ more"):
        load_back.check(path, network(name), names)


WEAKER = {f"{model}.{key}": value for model in ("transformer",) for key, value in {"r": 4, "lora_alpha": 1}.items()}


@pytest.mark.parametrize("name", FLOW)
def test_nothing_is_claimed_of_what_diffusers_does_not_read(name: str, network: Make, tmp_path: Path) -> None:
    lacking = tmp_path / "missing.safetensors"
    load_back.check(lacking, network(name, "loha"), families()[name].file_names)
    load_back.check(lacking, network(name), "lycoris")
    with pytest.raises(CurateError, match="does not load"):
        load_back.check(lacking, network(name), families()[name].file_names)


LOKR = [(name, names) for name in FLOW for names in families()[name].diffusers_lokr if names in WRITTEN]
# it has query, key and value in one matrix, which LoKr cannot be made of
LOKR = [(name, names) for name, names in LOKR if names != "comfyui" or not name.startswith("klein")]


@pytest.mark.parametrize(("name", "names"), LOKR)
def test_lokr_is_what_diffusers_loads(name: str, names: str, network: Make, tmp_path: Path) -> None:
    import diffusers

    adapters = network(name, "lokr", factor=4)
    path = written(adapters, names, tmp_path / "x.safetensors")
    load_back.check(path, adapters, names)
    [verdict] = [one for one in check_file(str(path)).verdicts if one.reader.name == "diffusers"]
    assert verdict.whole
    model: Any = load(adapters.backbone.name, True).parts["unet"]
    loader: Any = getattr(diffusers, families()[name].pipelines[0])
    loader.load_lora_into_transformer(loader.lora_state_dict(str(path)), model, adapter_name="it")
    loaded = {path: layer.get_delta_weight("it") for path, layer in model.named_modules() if hasattr(layer, "lokr_w1")}
    assert loaded.keys() == {adapters.layer_names[key].path for key in adapters.adapters}
    for key, adapter in adapters.adapters.items():
        torch.testing.assert_close(loaded[adapters.layer_names[key].path], adapter.delta(), rtol=0.02, atol=1e-4)


@pytest.mark.parametrize(("name", "names"), LOKR)
def test_a_lokr_that_diffusers_loads_otherwise_is_found(name: str, names: str, network: Make, tmp_path: Path) -> None:
    adapters, path = network(name, "lokr", factor=4), tmp_path / "x.safetensors"
    changes: dict[str, Callable[[str, Tensor], tuple[str, Tensor] | None]] = {
        r"the layer \S+ loads at 0.25 of its strength\n": lambda k, t: (k, t * 0.25 if "lokr_w1" in k else t),
        r"the layer \S+ loads with other values\n": lambda k, t: (k, t.flip(0)),
        r"the layer \S+ loads as nothing\n": lambda k, t: None,
        r"the layer \S+ loads with other tensors: ": lambda k, t: (k, t[:1]),
    }
    for message, change in changes.items():
        with pytest.raises(CurateError, match=message):
            load_back.check(written(adapters, names, path, change=change), adapters, names)
    tensors, _ = safetensors_file.read(written(adapters, names, path))
    alphas = {f"{key.rpartition('.')[0]}.alpha": torch.tensor(2.0) for key in tensors}
    path.write_bytes(safetensors_file.serialize({**tensors, **alphas}, {}))
    [verdict] = [one for one in check_file(str(path)).verdicts if one.reader.name == "diffusers"]
    assert verdict.whole == (names == "comfyui")


def test_numbers_too_small_for_fp16_are_no_wrong_strength(network: Make, tmp_path: Path) -> None:
    adapters = network("zimage")
    before = {key: parameter.detach().clone() for key, parameter in adapters.named_parameters()}
    with torch.no_grad():
        for key, parameter in adapters.named_parameters():
            if key.endswith("lora_up"):
                parameter.mul_(1e-5)
    own = file_names.named(by_layer(adapters.tensors()), adapters.layer_names, "diffusers", ())
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_file.serialize({key: tensor.half() for key, tensor in own.items()}, {}))
    load_back.check(path, adapters, "diffusers")
    with torch.no_grad():
        for key, parameter in adapters.named_parameters():
            parameter.copy_(before[key])


def test_a_training_whose_file_diffusers_misreads_keeps_it_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers.loaders import lora_pipeline

    def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return {key: tensor * 0.5 if ".lora_B." in key else tensor for key, tensor in converted(state).items()}

    def without_the_first(state: dict[str, Tensor]) -> dict[str, Tensor]:
        return dict(list(converted(state).items())[2:])

    converted = lora_pipeline._convert_non_diffusers_anima_lora_to_diffusers
    kind = family_class("anima")
    assert issubclass(kind, FlowTransformer)
    kind.write_tiny(tmp_path / "anima")
    small: dict[str, Any] = {"resolution": 64, "bucket_step": 32, "rank": 2, "tensorboard": False, "steps": 1}
    given = {**small, "base": str(tmp_path / "anima"), "learning_rate": 1e-2, "output_name": "mine"}
    folder = draw_folder(tmp_path / "prepared")
    monkeypatch.setattr(lora_pipeline, "_convert_non_diffusers_anima_lora_to_diffusers", without_the_first)
    with pytest.raises(CurateError, match=r"would not load what is trained here: the layer \S+ loads as") as refusal:
        run(folder, **given)
    assert refusal.value.remedy == "choose other names: diffusers; or exclude the layer" and not list(
        folder.rglob("checkpoint*")
    )
    monkeypatch.setattr(lora_pipeline, "_convert_non_diffusers_anima_lora_to_diffusers", halved)
    with pytest.raises(CurateError, match=r"does not load \S+/mine.safetensors as it was trained: .* at 0.5 of its"):
        run(folder, **given)
    [file] = folder.rglob("mine.safetensors")
    kept = file.read_bytes()
    monkeypatch.undo()
    path, _ = run(folder, **given)
    assert path == file and path.read_bytes() == kept


UNREAD = {
    ("klein-base-4b", "kohya"): "double_stream_modulation_img",
    ("klein-base-9b", "kohya"): "double_stream_modulation_img",
    ("flux1", "kohya"): "x_embedder",
}
"""Layers that no preset but full trains, and that diffusers passes over under these names."""


@pytest.mark.parametrize("name", FLOW)
def test_every_layer_of_the_full_size_is_read_or_named(name: str) -> None:
    options = TrainOptions(rank=1, alpha=0.5, family=name, layer_preset="full")
    adapters = attach(options, frame_of_family(name))
    with torch.no_grad():
        for _, parameter in adapters.named_parameters():
            parameter.normal_()
    for names in {"kohya", "diffusers", "comfyui"} & set(families()[name].readers["diffusers"]):
        given = TrainOptions(**{**options.model_dump(exclude_unset=True), "names": names})
        if (name, names) not in UNREAD:
            lora_file.check_names(given, adapters)
            continue
        with pytest.raises(CurateError, match=rf"the layer \S+{UNREAD[name, names]}\S* loads as nothing"):
            lora_file.check_names(given, adapters)
