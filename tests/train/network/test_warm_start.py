"""Going on from a LoRA file: ours, kohya's and PEFT's, of any precision; what does not fit is named by layer."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate.adapters import key_names, safetensors_file
from curate.adapters.layer_name import LayerName
from curate.diffusion.base import Backbone
from curate.diffusion.layer_names import select_layers
from curate.diffusion.load import load
from curate.errors import InputError
from curate.train.network import warm_start
from curate.train.network.build import attach
from curate.train.network.network import Network
from curate.train.options import TrainOptions
from tests.diffusion.helpers import narrow, sd15, sdxl
from tests.train.conftest import run
from tests.train.helpers import base_model, by_layer, effect, kohya_layers

KEYS = Path(__file__).parents[3] / "../shared/data"
FORMS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 4, "alpha": 2.0},
    "locon": {"algo": "locon", "rank": 4, "alpha": 2.0, "conv_rank": 2, "tucker": True},
    "loha": {"algo": "loha", "rank": 2, "alpha": 3.0, "layer_preset": "full"},
    "loha-tucker": {"algo": "loha", "rank": 2, "layer_preset": "unet-convblock-only", "tucker": True},
    "lokr": {"algo": "lokr", "factor": 4, "rank": 1, "alpha": 0.5, "decompose_both": True},
    "lokr-whole": {"algo": "lokr", "layer_preset": "full"},
    "lokr-tucker": {"algo": "lokr", "factor": 4, "rank": 1, "layer_preset": "full", "tucker": True},
    "dora": {"rank": 2, "dora": True},
    "mixed": {"rank": 2, "layers": ("attn1=lokr", "attn2=loha:3/1", "mlp=lora:5")},
}


def deltas(network: Network) -> dict[str, Tensor]:
    return {name: adapter.delta().detach() for name, adapter in network.adapters.items()}


def attached(**options: Any) -> Network:
    network = attach(TrainOptions(**options), base_model())
    network.detach()
    return network


def shaken(**options: Any) -> Network:
    network = attached(**options)
    torch.manual_seed(3)
    with torch.no_grad():
        for _, parameter in network.named_parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return network


def written(path: Path, tensors: dict[str, Tensor]) -> str:
    path.write_bytes(safetensors_file.serialize(tensors, {}))
    return str(path)


@pytest.mark.parametrize(
    ("form", "dtype"), [*((f, torch.float32) for f in FORMS), ("lora", torch.float16), ("lokr", torch.bfloat16)]
)
def test_a_file_gives_its_effect_and_its_form(tmp_path: Path, form: str, dtype: torch.dtype) -> None:
    before = shaken(**FORMS[form])
    path = written(tmp_path / "x.safetensors", {k: t.to(dtype) for k, t in before.tensors().items()})
    loose = {torch.float32: 1e-5, torch.float16: 2e-2, torch.bfloat16: 1e-1}[dtype]
    kinds: list[dict[str, Any]] = [{**FORMS[form], "start_from": path}, {"start_from": path, "rank_from_file": True}]
    for options in kinds:
        after = attached(**options)
        assert {k: t.shape for k, t in after.tensors().items()} == {k: t.shape for k, t in before.tensors().items()}
        assert all(p.dtype == torch.float32 for _, p in after.named_parameters())
        wanted = deltas(before)
        for name, delta in deltas(after).items():
            assert float((delta - wanted[name]).norm() / wanted[name].norm()) < loose, name
        for name, adapter in after.adapters.items():
            alphas = [float(one.tensors()["alpha"]) for one in (adapter, before.adapters[name])]
            assert alphas[0] == pytest.approx(alphas[1], rel=1e-2)


@pytest.mark.parametrize("form", ["lora", "loha", "lokr"])
def test_another_alpha_keeps_the_effect(tmp_path: Path, form: str) -> None:
    before = shaken(**FORMS[form])
    path = written(tmp_path / "x.safetensors", before.tensors())
    after = attached(**{**FORMS[form], "alpha": 0.25}, start_from=path)
    wanted = deltas(before)
    for name, delta in deltas(after).items():
        torch.testing.assert_close(delta, wanted[name], rtol=1e-4, atol=1e-6)
        assert after.adapters[name].stored_alpha == pytest.approx(0.25)


def test_a_file_without_alpha_has_its_rank_for_one(tmp_path: Path) -> None:
    before = shaken(rank=4, alpha=4.0)
    path = written(tmp_path / "x.safetensors", {k: t for k, t in before.tensors().items() if not k.endswith("alpha")})
    wanted = deltas(before)
    for options in ({"rank": 4}, {"rank_from_file": True}):
        after = attached(start_from=path, **options)
        assert all(torch.equal(d, wanted[n]) for n, d in deltas(after).items())


def by_peft(key: str, path: str) -> str:
    return f"{path}.{key.partition('.')[2]}".replace("lora_down", "lora_A").replace("lora_up", "lora_B")


NAMES: dict[str, Callable[[str, LayerName], str]] = {
    "lycoris": lambda key, layer_name: key.replace("lora_", "lycoris_", 1),
    "diffusers": lambda key, layer_name: by_peft(
        key, f"{'unet' if layer_name.part == 'unet' else 'text_encoder'}.{layer_name.path}"
    ),
    "transformers-5": lambda key, layer_name: by_peft(
        key, f"{'unet' if layer_name.part == 'unet' else 'text_encoder'}.{layer_name.path.removeprefix('text_model.')}"
    ),
    "peft": lambda key, layer_name: by_peft(key, f"base_model.model.{layer_name.part}.{layer_name.path}"),
}


@pytest.mark.parametrize("spelling", NAMES)
def test_other_programs_names_are_read(tmp_path: Path, spelling: str) -> None:
    before = shaken(rank=4, alpha=4.0)
    tensors = {
        NAMES[spelling](key, before.layer_names[key.partition(".")[0]]): tensor
        for key, tensor in before.tensors().items()
        if not key.endswith("alpha")
    }
    after = attached(start_from=written(tmp_path / "x.safetensors", tensors), rank_from_file=True)
    wanted = deltas(before)
    assert all(torch.equal(d, wanted[n]) for n, d in deltas(after).items())


# classes of lycoris-lora and how they are made, by what is read
ELSEWHERE: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("LoConModule", {}),
    "tucker": ("LoConModule", {"use_tucker": True}),
    "scalar": ("LoConModule", {"use_scalar": True}),
    "rs-lora": ("LoConModule", {"rs_lora": True}),
    "dora": ("LoConModule", {"weight_decompose": True, "wd_on_out": False}),
    "loha": ("LohaModule", {}),
    "loha-tucker": ("LohaModule", {"use_tucker": True}),
    "lokr": ("LokrModule", {"factor": 4}),
    "lokr-both": ("LokrModule", {"factor": 4, "decompose_both": True, "lora_dim": 1}),
    "lokr-whole": ("LokrModule", {"factor": 4, "full_matrix": True}),
    "lokr-tucker": ("LokrModule", {"factor": 4, "use_tucker": True, "lora_dim": 1}),
    "lokr-unbalanced": ("LokrModule", {"factor": 4, "unbalanced_factorization": True}),
    "diag-oft": ("DiagOFTModule", {"lora_dim": 4}),
    "diag-oft-bound": ("DiagOFTModule", {"lora_dim": 4, "alpha": 0.01, "rescaled": True}),
    "boft": ("ButterflyOFTModule", {"lora_dim": 4}),
    "glora": ("GLoRAModule", {}),
    "ia3": ("IA3Module", {}),
    "ia3-input": ("IA3Module", {"train_on_input": True}),
    "full": ("FullModule", {}),
}


def from_lycoris(kind: str, path: Path, backbone: Backbone, **more: Any) -> Tensor:
    """Writes a file of lycoris-lora's own modules for some layers of all kinds; its effect there."""
    pytest.importorskip("lycoris")
    name, given = ELSEWHERE[kind]
    made: Any = getattr(importlib.import_module(f"lycoris.modules.{HOMES[name]}"), name)
    layers = kohya_layers(backbone)
    names = [s.key for s in select_layers(backbone.layer_names(), "full") if backbone.layer(s) is not None][::17]
    torch.manual_seed(4)
    modules = [made(n, layers[n], 1.0, **{"lora_dim": 2, "alpha": 1.0, **given, **more}) for n in names]
    state: dict[str, Tensor] = {}
    for module in modules:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        module.apply_to()
    after = effect(backbone)
    for module in modules:
        module.restore()
        held = module.custom_state_dict() or {k: v for k, v in module.state_dict().items() if not k.startswith("org_")}
        state |= {f"{module.lora_name}.{key}": tensor.detach().clone().contiguous() for key, tensor in held.items()}
    written(path, state)
    return after


HOMES = {
    **{"LoConModule": "locon", "LohaModule": "loha", "LokrModule": "lokr", "DiagOFTModule": "diag_oft"},
    **{"ButterflyOFTModule": "boft", "GLoRAModule": "glora", "IA3Module": "ia3", "FullModule": "full"},
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_lycoris_own_files_have_the_effect_they_had_there(kind: str, tmp_path: Path) -> None:
    backbone = base_model()
    before, wanted = effect(backbone), from_lycoris(kind, tmp_path / "x.safetensors", backbone)
    assert float((wanted - before).abs().max()) > 0.01
    network = attach(TrainOptions(start_from=str(tmp_path / "x.safetensors"), rank_from_file=True), backbone)
    network.train(False)
    ours = effect(backbone)
    network.detach()
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5)


def test_dora_along_the_other_axis_is_refused_by_its_name(tmp_path: Path) -> None:
    from_lycoris("dora", tmp_path / "x.safetensors", base_model(), wd_on_out=True)
    with pytest.raises(InputError, match="its DoRA is along the output axis"):
        attached(start_from=str(tmp_path / "x.safetensors"), rank_from_file=True)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.safetensors holds no layer"):
        attached(start_from=written(tmp_path / "x.safetensors", {}), rank_from_file=True)


@pytest.mark.parametrize("listed", ["LoRA-v1-UNET", "LoRA-v1A-UNET", "LoRA-v1-CLIP", "LoRA-v1A-CLIP"])
def test_key_lists_of_kohya_files_are_read(listed: str) -> None:
    """A list has -1 for the rank; every key is of a layer of SD 1.x and makes an adapter of that layer's shape."""
    path = KEYS / f"models/state_dict_keys/components/{listed}.txt"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    tensors: dict[str, Tensor] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, shape = line.partition(" ")
        sizes = [7 if n == "-1" else int(n) for n in shape.strip("[]").split(",") if n]
        tensors[key] = torch.zeros(sizes, device="meta") if sizes else torch.tensor(7.0)
    layers = by_layer(tensors, sd15())
    plans = warm_start.maker(layers, TrainOptions())
    assert {(algo, plan.rank) for algo, plan in plans.values()} == {("lora", 7)}
    assert set(plans) == {key.partition(".")[0] for key in tensors}
    assert len(plans) == (192 if "UNET" in listed else 72)


OTHERS = sorted((KEYS / "lora/invokeai/lora_state_dicts").glob("*.json"))


@pytest.mark.skipif(not OTHERS, reason="../shared/data/lora/invokeai is not here")
def test_published_loras_of_other_families_are_of_no_layer() -> None:
    """FLUX's share the first text encoder's names with SDXL; no list goes through whole, not even in part."""
    for path in OTHERS:
        tensors = dict.fromkeys(json.loads(path.read_text(encoding="utf-8"))["state_dict_keys"], torch.empty(0))
        for layer_names in (sd15(), sdxl()):
            assert key_names.by_layer(tensors, key_names.aliases(layer_names))[1]


@pytest.mark.parametrize("family", ["sd2", "sdxl"])
def test_files_of_the_other_families_give_their_effect(family: str, tmp_path: Path) -> None:
    """SD 2's files hold linear projections as 1×1 convolutions, SDXL's have the first checkpoint's names."""
    backbone = load(str(narrow(tmp_path / family, family)), True)
    for form in ("mixed", "lokr-whole"):
        network = attach(TrainOptions(**FORMS[form]), backbone)
        torch.manual_seed(3)
        with torch.no_grad():
            for _, parameter in network.named_parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        before, tensors = deltas(network), network.tensors()
        network.detach()
        path = written(tmp_path / f"{form}.safetensors", tensors)
        network = attach(TrainOptions(start_from=path, rank_from_file=True), backbone)
        network.detach()
        assert deltas(network).keys() == before.keys()
        assert all(torch.equal(d, before[n]) for n, d in deltas(network).items())


def test_published_module_names_of_sdxl_are_read_in_both_spellings() -> None:
    path = KEYS / "lora/sdxl_modules.tsv"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    names = [line.split("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    known = {name: alias.key for name, alias in key_names.aliases(sdxl()).items()}
    assert all(known[name] == name for name in names)
    assert known["lora_unet_down_blocks_1_attentions_0_proj_in"] == "lora_unet_input_blocks_4_1_proj_in"
    assert known["unet.mid_block.resnets.1.conv2"] == "lora_unet_middle_block_2_out_layers_3"
    assert (
        known["text_encoder_2.text_model.encoder.layers.31.mlp.fc2"] == "lora_te2_text_model_encoder_layers_31_mlp_fc2"
    )


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (None, {"rank": 3}, r"lora_te_\S+: lora_up.weight has shape \[32, 4\], expected \[32, 3\]"),
        (None, {"rank": 4, "algo": "loha"}, r"lora_te_\S+: the file holds lora, and loha is trained"),
        (None, {"rank": 4, "dora": True}, r"lora_te_\S+: dora_scale is missing"),
        (
            None,
            {"rank": 4, "layer_preset": "attn-only"},
            r"lora_te_\S+mlp_fc1 and \d+ more layers of the file would not be trained",
        ),
        (None, {"rank": 4, "layer_preset": "full"}, r"the file lacks lora_unet_\S+ and \d+ more"),
        (None, {"rank_from_file": True, "text_lr": 0}, "of the file would not be trained"),
        (
            lambda t: {**t, "lora_te_banana.alpha": torch.tensor(1.0)},
            {"rank": 4},
            "contains lora_te_banana.alpha, which belongs to no",
        ),
        (lambda t: {k: v / 0 for k, v in t.items()}, {"rank": 4}, "not finite"),
        (
            lambda t: {k.replace("lora_up.weight", "banana"): v for k, v in t.items() if "down" not in k},
            {"rank_from_file": True},
            r"lora_te_\S+: alpha, banana belongs to no algorithm",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: Any, options: dict[str, Any], message: str) -> None:
    tensors = shaken(rank=4, alpha=2.0).tensors()
    path = written(tmp_path / "x.safetensors", change(tensors) if change else tensors)
    backbone = base_model()
    before = [backbone.at(layer_name) for layer_name in backbone.layer_names()]
    with pytest.raises(InputError, match=message):
        attach(TrainOptions(start_from=path, **options), backbone)
    # the base is as it was: nothing stays attached after a refusal
    assert all(
        backbone.at(layer_name) is module for layer_name, module in zip(backbone.layer_names(), before, strict=True)
    )


def test_a_lora_of_another_family_is_told_to_be_one(tmp_path: Path) -> None:
    key = "lora_te2_text_model_encoder_layers_{}_self_attn_q_proj"  # of SDXL's second text encoder
    tensors = {
        f"{key.format(n)}.lora_{side}.weight": torch.zeros(shape)
        for n in range(3)
        for side, shape in (("down", (2, 1280)), ("up", (1280, 2)))
    }
    path = written(tmp_path / "other.safetensors", tensors)
    with pytest.raises(InputError, match=r"other\.safetensors is a LoRA of SDXL, and the base is SD 1\.x"):
        attached(start_from=path)


def test_no_file_and_no_safetensors_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not exist, or is not a \.safetensors file"):
        attached(start_from=str(tmp_path / "x.safetensors"))
    (tmp_path / "x.safetensors").write_bytes(b"banana" * 10)
    with pytest.raises(InputError, match="is not a safetensors file"):
        attached(start_from=str(tmp_path / "x.safetensors"))


def test_options_that_the_file_decides_are_refused_beside_it() -> None:
    with pytest.raises(ValueError, match="rank, tucker have no effect with rank_from_file"):
        TrainOptions(start_from="x.safetensors", rank_from_file=True, rank=4, tucker=True)


def test_training_goes_on_from_a_file_and_looks_at_its_bytes(folder: Path) -> None:
    common: dict[str, Any] = {"steps": 2, "learning_rate": 1e-2}
    first, _ = run(folder, rank=3, alpha=1.5, layer_preset="attn-only", output_name="first", **common)
    kept = folder.parent / "start.safetensors"
    kept.write_bytes(first.read_bytes())
    second, _ = run(folder, start_from=str(kept), rank_from_file=True, output_name="second", **common)
    fresh, went_on = (safetensors_file.read(p)[0] for p in (first, second))
    assert {k: t.shape for k, t in went_on.items()} == {k: t.shape for k, t in fresh.items()}
    assert all(float(t) == 1.5 for k, t in went_on.items() if k.endswith("alpha"))
    moved = max(float((went_on[k] - t).abs().max()) for k, t in fresh.items())
    assert 1e-3 < moved < 0.05  # two steps of 1e-2, halved and less by the schedule, from where the first run ended
    assert safetensors_file.read(second)[1]["ss_network_dim"] == "3"
    again, events = run(folder, start_from=str(kept), rank_from_file=True, output_name="second", **common)
    assert again == second and any(getattr(e, "recalled", False) for e in events)
    kept.write_bytes(safetensors_file.serialize({k: t * 2 for k, t in fresh.items() if "alpha" not in k}, {}))
    third, _ = run(folder, start_from=str(kept), rank_from_file=True, output_name="second", **common)
    assert third.name == "second-2.safetensors"
