"""Names and presets equal the published lists of modules for full-size SD 1.x and SDXL."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.adapters.layer_name import LayerName
from curate.diffusion.layer_names import PRESETS, select_layers
from tests.diffusion.helpers import sd15, sdxl

DATA = Path(__file__).parents[2] / "../shared/data/lora"


@pytest.mark.parametrize(("family", "layer_names"), [("sd15", sd15()), ("sdxl", sdxl())])
def test_table_and_presets_equal_the_published_lists(family: str, layer_names: list[LayerName]) -> None:
    listed = DATA / f"{family}_modules.tsv"
    if not listed.exists():
        pytest.skip(f"{listed} is not here")
    rows = [line.split("\t") for line in listed.read_text(encoding="utf-8").splitlines()[1:]]
    presets = {row[0]: set(row[3].split(",")) for row in rows}
    assert len({layer_name.key for layer_name in layer_names}) == len(layer_names)
    names = {layer_name.key for layer_name in layer_names if layer_name.kind not in ("norm", "resnet-norm")}
    assert set(presets) <= names
    # what the table has beyond the list are skips of blocks whose width does not change: attaching passes over them
    assert all(name.endswith(("conv_shortcut", "skip_connection")) for name in names - set(presets))
    for preset in PRESETS:
        ours = {layer_name.key for layer_name in select_layers(layer_names, preset)} & set(presets)
        assert ours == {name for name, held in presets.items() if preset in held}, preset


def test_paths_are_unique() -> None:
    for layer_names in (sd15(), sdxl()):
        assert len({(s.part, s.path) for s in layer_names}) == len(layer_names)


@pytest.mark.parametrize(("preset", "sd", "xl"), [("attn-only", 0, 0), ("attn-mlp", 64, 221), ("full", 108, 255)])
def test_norms_of_presets(preset: str, sd: int, xl: int) -> None:
    """16 transformers of one block and 22 residual blocks; 11 of 70 blocks and 17 residual blocks."""
    for layer_names, wanted in ((sd15(), sd), (sdxl(), xl)):
        added = [
            s for s in select_layers(layer_names, preset, norms=True) if s not in select_layers(layer_names, preset)
        ]
        assert len(added) == wanted
        assert {s.kind for s in added} <= {"norm", "resnet-norm"}
    names = {s.key for s in sdxl()}
    assert "lora_unet_input_blocks_4_1_transformer_blocks_0_norm3" in names
    assert {"lora_unet_middle_block_2_in_layers_0", "lora_unet_output_blocks_8_0_out_layers_0"} <= names


def test_ia3_is_where_its_name_promises() -> None:
    for layer_names, unet in ((sd15(), 16), (sdxl(), 70)):
        found = select_layers(layer_names, "ia3")
        assert sum(s.part == "unet" for s in found) == unet * 5
        ends = ("to_k", "to_v", "ff_net_2", "k_proj", "v_proj", "mlp_fc2")
        assert all(s.key.endswith(ends) for s in found)
        assert len(found) == sum(s.key.endswith(ends) for s in layer_names)
