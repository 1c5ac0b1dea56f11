"""Every family of base models keeps the contract: declared and made alike, found by what it declares, layers unique."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from curate.diffusion.base import Backbone
from curate.diffusion.detect import family_of_folder, family_of_keys, traits
from curate.diffusion.family import families
from curate.diffusion.family_class import family_class
from curate.diffusion.flow_transformer import FlowTransformer
from curate.diffusion.layer_names import CONVOLUTIONS, PRESETS, select_layers
from curate.diffusion.load import load
from curate.train.loop.objective_options import check_family
from curate.train.options import TrainOptions
from curate.train.options.presets import guides
from tests.diffusion.helpers import narrow
from tests.train.conftest import one_thread, own_cache

__all__ = ["one_thread", "own_cache"]
README = Path(__file__).parents[2] / "README.md"
EVERY = pytest.mark.parametrize("name", families())


@EVERY
def test_what_the_source_declares_is_what_the_class_has(name: str) -> None:
    found = families()[name]
    assert family_class(name).family == found


@EVERY
def test_its_guides_fit_it(name: str) -> None:
    found = families()[name]
    for guide in found.guides:
        options = TrainOptions(guide=guide, family=name)
        check_family(options, found)
        values = guides()[guide].values
        assert {option: getattr(options, option) for option in values} == values
        assert found.objective != "flow" or set(guides()[guide].sources) == set(values)


@EVERY
def test_the_readme_names_it(name: str) -> None:
    assert families()[name].title in README.read_text(encoding="utf-8")


@EVERY
def test_it_is_found_by_what_it_declares(name: str, tmp_path: Path) -> None:
    found = families()[name]
    for key in found.keys:
        assert family_of_keys([key, "other.weight"], "x").name == name
    for wrapper in ("", "net.", "model.diffusion_model.") if found.whole_keys else ():
        marks = [f"{wrapper}{key}weight" if key.endswith(".") else f"{wrapper}{key}" for key in found.whole_keys]
        assert family_of_keys(marks, "x").name == name
    for pipeline in found.pipelines:
        (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}), "utf-8")
        for part, values in found.configuration.items():
            (tmp_path / part).mkdir(exist_ok=True)
            (tmp_path / part / "config.json").write_text(json.dumps(values), "utf-8")
        assert family_of_folder(tmp_path, "x").name == name


@EVERY
def test_its_outline_has_the_parameters_that_it_declares(name: str) -> None:
    made = family_class(name)
    parts, vae = made.outline(lambda part: {})
    assert sum(p.numel() for p in parts["unet"].parameters()) == made.family.parameters
    assert all(p.device.type == "meta" for model in (*parts.values(), vae) for p in model.parameters())
    backbone = made(name, parts, vae, [], made.family.resolution, "epsilon")
    layer_names = backbone.layer_names()
    assert len({layer_name.key for layer_name in layer_names}) == len(layer_names)
    assert 1 + max(layer_name.block for layer_name in layer_names) == made.family.blocks
    for preset in PRESETS if made.family.convolutions else PRESETS.keys() - {CONVOLUTIONS}:
        layers = [backbone.layer(layer_name) for layer_name in select_layers(layer_names, preset)]
        assert any(layer is not None for layer in layers)


def check_stored(backbone: Backbone) -> None:
    """Captions of unequal length, the empty one among them, give in a batch what they give alone."""
    assert backbone.captions is not None and backbone.captions.limit == backbone.family.caption_tokens
    texts = backbone.captions.encode(["", "a dog", "a red dog with a hat"], torch.device("cpu"), torch.float32)
    channels, height, width = backbone.latent_shape(96, 64)
    noisy, times = torch.randn(3, channels, height, width), torch.tensor([0.1, 0.5, 1.0])
    with torch.no_grad():
        whole = backbone.predict(noisy, times, backbone.collate(texts))
        assert whole.shape == noisy.shape
        for n in range(3):
            alone = backbone.predict(noisy[n : n + 1], times[n : n + 1], backbone.collate(texts[n : n + 1]))
            torch.testing.assert_close(alone, whole[n : n + 1], rtol=1e-4, atol=1e-5)
    assert not torch.equal(whole[1], whole[2])


@EVERY
def test_a_loaded_one_predicts_one_by_one_as_in_a_batch(name: str, tmp_path: Path) -> None:
    made = family_class(name)
    if issubclass(made, FlowTransformer):
        made.write_tiny(place := tmp_path / name)
    else:
        place = narrow(tmp_path / name, name)
    assert traits(str(place), True).family == name
    backbone = load(str(place), True)
    assert backbone.family.name == name
    torch.manual_seed(0)
    if backbone.captions is not None:
        check_stored(backbone)
        return
    ids = [torch.stack(rows) for rows in zip(*(backbone.tokens(text) for text in ("a dog", "a red hat")), strict=True)]
    sizes = torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)
    noisy, times = torch.randn(2, 4, 8, 8), torch.tensor([10, 700])
    with torch.no_grad():
        whole = backbone.predict(noisy, times, backbone.condition(ids, sizes))
        for n in range(2):
            row = slice(n, n + 1)
            conditions = backbone.condition([one[row] for one in ids], sizes[row])
            torch.testing.assert_close(
                backbone.predict(noisy[row], times[row], conditions), whole[row], rtol=1e-4, atol=1e-5
            )
