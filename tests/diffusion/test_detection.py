"""Every family's file of the network alone is told from all others, at full size; what none reads is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.adapters.key_names import ALL
from curate.diffusion.detect import family_of_keys, traits
from curate.diffusion.family import families
from curate.diffusion.frame import frame_of_family
from curate.errors import InputError
from tests.diffusion.layouts import FAMILIES, OTHERS, Keys

FLOW = [name for name, found in families().items() if found.objective == "flow"]
WRAPPERS = ("", "net.", "model.diffusion_model.")


def header(path: Path, keys: Keys) -> Path:
    """A file whose header is that of a checkpoint, and that has no values."""
    held = {key: {"dtype": "BF16", "shape": list(shape), "data_offsets": [0, 0]} for key, shape in keys.items()}
    raw = json.dumps(held).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw)
    return path


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", FLOW)
def test_a_familys_file_is_of_it(name: str, wrapper: str, tmp_path: Path) -> None:
    keys = {f"{wrapper}{key}": shape for key, shape in FAMILIES[name][0].items()}
    assert family_of_keys(keys, "x").name == name
    assert traits(str(header(tmp_path / "x.safetensors", keys)), True).family == name


@pytest.mark.parametrize("stack", ["double_blocks.", "single_blocks."])
@pytest.mark.parametrize("name", ["flux1", "chroma", "klein-base-4b"])
def test_a_file_without_one_of_its_stacks_is_of_its_family(name: str, stack: str) -> None:
    """Which loading refuses, naming what it lacks."""
    keys = {key: shape for key, shape in FAMILIES[name][0].items() if not key.startswith(stack)}
    assert family_of_keys(keys, "x").name == name


@pytest.mark.parametrize("name", FLOW)
def test_the_file_holds_every_layer_of_the_family(name: str) -> None:
    """The list is the published layout: each layer of the full size is there, with its size."""
    keys, frame = FAMILIES[name][0], frame_of_family(name)
    for layer in frame.layer_names():
        module = frame.layer(layer)
        if module is None:  # of a name that other blocks of the family have
            continue
        key, (first, end, of) = f"{layer.joint or layer.original}.weight", layer.rows or ALL
        out, into = module.weight.shape[0] * of // (end - first), module.weight.shape[1]
        assert keys.get(key) == (out, into), key
    rows = {layer.joint or layer.original for layer in frame.layer_names()}
    linear = {key.removesuffix(".weight") for key, shape in keys.items() if len(shape) == 2 and key.endswith(".weight")}
    assert len(linear - rows) <= 10, sorted(linear - rows)


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("what", [*OTHERS, *(name for name in FAMILIES if name not in families())])
def test_what_none_reads_is_called_what_it_is(what: str, wrapper: str, tmp_path: Path) -> None:
    keys, called = (FAMILIES | OTHERS)[what]
    file = header(tmp_path / "x.safetensors", {f"{wrapper}{key}": shape for key, shape in keys.items()})
    with pytest.raises(InputError) as refusal:
        traits(str(file), True)
    assert refusal.value.message == f"x.safetensors is {called}, which cannot be trained"


@pytest.mark.parametrize("mark", ["scale_weight", "weight_scale", "comfy_quant", "qweight", "absmax"])
@pytest.mark.parametrize("name", FLOW)
def test_a_quantized_file_is_refused_before_it_is_read(name: str, mark: str, tmp_path: Path) -> None:
    keys = FAMILIES[name][0]
    quantized = next(key for key, shape in keys.items() if len(shape) == 2)
    keys = {**keys, f"{quantized.removesuffix('weight')}{mark}": ()}
    with pytest.raises(InputError, match=rf"x\.safetensors is quantized already: it holds \S+{mark}"):
        traits(str(header(tmp_path / "x.safetensors", keys)), True)
