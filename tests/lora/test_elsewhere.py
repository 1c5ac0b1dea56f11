"""What the tools write arrives in diffusers and lycoris-lora as it was meant: SD 2.x and SDXL, under every name."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from curate.adapters import safetensors_file
from curate.diffusion.base import module_at
from curate.diffusion.base_weights import BaseWeights
from curate.lora.check import check
from curate.lora.convert import convert
from curate.lora.extract import Limits, extract, open_model
from curate.lora.file import open_lora
from curate.lora.into_base import merge_into_base
from curate.lora.merge import merge
from curate.lora.readers import Verdict
from curate.lora.recipes import parse
from curate.lora.resize import resize
from curate.lora.weights import weighted
from tests.lora.helpers import backbone, changes, lora, written
from tests.sampling.helpers import pipeline, scheduler

FAMILIES = ("sd2", "sdxl")
Files = dict[tuple[str, str], Path]
KINDS = ("source", "resized", "resized-loha", "merged", "merged-rank", "extracted")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def files(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A file of each tool for each family."""
    return {pair: path for family in FAMILIES for pair, path in _made(family, bases[family], tmp_path_factory)}


def _made(family: str, base: Path, place: pytest.TempPathFactory) -> Iterator[tuple[tuple[str, str], Path]]:
    folder = place.mktemp(family)
    source = lora(folder / "source.safetensors", base, "locon")
    other = lora(folder / "other.safetensors", base, "lora", seed=2)
    loha = lora(folder / "loha.safetensors", base, "loha")
    both = [weighted(f"{source}:0.7"), weighted(f"{other}:-0.5,te=0.3")]
    merge_into_base([weighted(str(other))], BaseWeights.open(str(base), True), folder / "tuned")
    models = [open_model(str(path), True) for path in (folder / "tuned", base)]
    made = {
        "source": source,
        "resized": resize([weighted(str(source))], [parse("rank=3")], [folder / "r.safetensors"]).__next__().path,
        "resized-loha": resize([weighted(str(loha))], [parse("fro=0.9")], [folder / "l.safetensors"]).__next__().path,
        "merged": merge(both, folder / "m.safetensors").path,
        "merged-rank": resize(both, [parse("rank=4")], [folder / "k.safetensors"]).__next__().path,
        "extracted": extract(models[0], models[1], folder / "e.safetensors", Limits(8, 8, None), "fp32").path,
    }
    for kind, path in made.items():
        yield (family, kind), path


@pytest.fixture(scope="module")
def pipes(bases: dict[str, Path]) -> dict[str, Any]:
    return {family: pipeline(bases[family], family, scheduler("DDIMScheduler")) for family in FAMILIES}


def diffusers_changes(pipe: Any, folder: Path, file: Path) -> dict[str, Tensor]:
    """What diffusers adds to the weight of each layer of ours, by key; fails where it changes anything else."""
    models = {"unet": pipe.unet, "te1": pipe.text_encoder, "te2": getattr(pipe, "text_encoder_2", None)}
    before = {part: {k: t.clone() for k, t in model.state_dict().items()} for part, model in models.items() if model}
    try:
        pipe.load_lora_weights(str(file.parent), weight_name=file.name)
        pipe.fuse_lora()
        pipe.unload_lora_weights()
        moved = {(part, k): t - before[part][k] for part in before for k, t in models[part].state_dict().items()}
    finally:
        pipe.unload_lora_weights()
        for part, state in before.items():
            models[part].load_state_dict(state)
    found: dict[str, Tensor] = {}
    for name in backbone(str(folder)).layer_names():
        paths = (f"{name.path}.weight", f"{name.path.removeprefix('text_model.')}.weight")
        path = next((path for path in paths if (name.part, path) in moved), "")
        if not path:
            continue  # a layer that only other models of the family have
        found[name.key] = rows(moved.pop((name.part, path)))
    assert not any(rest.any() for rest in moved.values())
    return found


def rows(weight: Tensor) -> Tensor:
    return weight.reshape(len(weight), -1)


def agree(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return all(torch.allclose(found[k], wanted.get(k, torch.zeros(())), atol=1e-5) for k in {**found, **wanted})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("family", "names"), [("sd2", "diffusers"), ("sdxl", "kohya"), ("sdxl", "diffusers")])
def test_diffusers_gets_the_same_changes(
    family: str, kind: str, names: str, files: Files, pipes: dict[str, Any], bases: dict[str, Path], tmp_path: Path
) -> None:
    path = files[family, kind]
    if names == "diffusers":
        path = convert(open_lora(str(path)), names, tmp_path / "there.safetensors").path
    assert in_diffusers(path).whole
    assert agree(diffusers_changes(pipes[family], bases[family], path), changes(files[family, kind]))


def test_diffusers_does_not_take_kohyas_axes_of_the_projections(
    files: Files, pipes: dict[str, Any], bases: dict[str, Path]
) -> None:
    """What kohya trains SD 2.x with is not what diffusers has."""
    for kind in KINDS:
        verdict = in_diffusers(files["sd2", kind])
        assert verdict.reads == 0 and "convolutions where its model has linear layers" in verdict.reasons
    with pytest.raises(RuntimeError, match=r"size mismatch for .*proj_in"):
        diffusers_changes(pipes["sd2"], bases["sd2"], files["sd2", "source"])


def in_diffusers(path: Path) -> Verdict:
    """What the check says of a file in diffusers."""
    [verdict] = [one for one in check(str(path)).verdicts if one.reader.name == "diffusers"]
    return verdict


# the families differ by the text encoders and the shape of the projections, not by how a file came to be
@pytest.mark.parametrize(
    ("family", "kinds"),
    [("sd2", ("source", "merged-rank")), ("sdxl", ("resized", "resized-loha", "merged", "extracted"))],
)
def test_peft_gets_the_same_changes(
    family: str, kinds: tuple[str, ...], files: Files, pipes: dict[str, Any], bases: dict[str, Path], tmp_path: Path
) -> None:
    import peft

    for kind in kinds:
        file = files[family, kind]
        folder, wanted = convert(open_lora(str(file)), "peft", tmp_path / kind).path, changes(file)
        models = {"unet": "unet", "te1": "text_encoder", "te2": "text_encoder_2"}
        for part, model in ((p, getattr(pipes[family], m, None)) for p, m in models.items()):
            place = folder / models[part]
            if model is None or not place.is_dir():
                continue
            merged = peft.PeftModel.from_pretrained(copy.deepcopy(model), str(place)).merge_and_unload()
            for name in (one for one in backbone(str(bases[family])).layer_names() if one.part == part):
                after, before = module_at(merged, name.path), module_at(model, name.path)
                if before is None:
                    continue
                moved = rows(after.weight - before.weight)  # type: ignore[union-attr, operator]
                assert torch.allclose(moved, wanted.get(name.key, torch.zeros(())), atol=1e-5), (kind, name)


def test_alphas_that_diffusers_mistakes_are_named(
    files: Files, pipes: dict[str, Any], bases: dict[str, Path], tmp_path: Path
) -> None:
    """Files of other programs have them: ranks by layer with alphas to match."""
    tensors, metadata = safetensors_file.read(files["sdxl", "source"])
    odd = [key for key in tensors if key.endswith(("attn1_to_q.alpha", "mlp_fc2.alpha"))]
    tensors |= {key: tensors[key] / 2 for key in odd}
    path = written(tmp_path / "a.safetensors", tensors, metadata)
    verdict = in_diffusers(path)
    assert verdict.reasons == {"alphas of their own under kohya's names": len(odd)} and not verdict.whole
    [problem] = check(str(path), wanted=("diffusers",)).problems
    assert problem.remedy == "curate lora convert FILE --to diffusers -o NEW"
    assert not agree(diffusers_changes(pipes["sdxl"], bases["sdxl"], path), changes(path))
    there = convert(open_lora(str(path)), "diffusers", tmp_path / "there.safetensors").path
    assert agree(diffusers_changes(pipes["sdxl"], bases["sdxl"], there), changes(path))
    [small] = resize([weighted(str(path))], [parse("rank=9")], [tmp_path / "s.safetensors"])
    assert agree(diffusers_changes(pipes["sdxl"], bases["sdxl"], small.path), changes(path))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_lycoris_gets_the_same_changes(family: str, kind: str, files: Files, bases: dict[str, Path]) -> None:
    from lycoris.modules import get_module, make_module

    path = files[family, kind]
    found, held = backbone(str(bases[family])), load_file(path)
    wanted = changes(path)
    for name in found.layer_names():
        layer: Any = found.layer(name)
        kind_of, values = get_module(held, name.key)
        if kind_of is None:
            assert name.key not in wanted
            continue
        layer = as_kohya_holds(layer) if found.stored_as_point(name) else layer
        made = make_module(kind_of, values, name.key, layer)
        merged: Tensor = made.get_merged_weight(1.0, layer.weight.shape)[0]
        assert torch.allclose((merged - layer.weight).flatten(1), wanted[name.key], atol=1e-5), name
        held = {key: tensor for key, tensor in held.items() if not key.startswith(f"{name.key}.")}
    assert not held, "no key is left that LyCORIS does not take"


def as_kohya_holds(layer: nn.Module) -> nn.Module:
    """A projection of SD 2.x: diffusers has a linear layer where kohya loads a 1×1 convolution."""
    if not isinstance(layer, nn.Linear):
        return layer
    point = nn.Conv2d(layer.in_features, layer.out_features, 1)
    point.weight.data = layer.weight.data[:, :, None, None].clone()
    return point
