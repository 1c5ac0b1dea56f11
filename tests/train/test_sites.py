"""Names and presets equal the published lists of modules for full-size SD 1.x and SDXL."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.train.sites import PRESETS, Site, UnetShape, chosen, text_sites, unet_sites

DATA = Path(__file__).parents[2] / "../shared/data/lora"


def sd15() -> list[Site]:
    return text_sites("lora_te", "te1", 12) + unet_sites(UnetShape((1, 1, 1, 0), (0, 1, 1, 1), 1), original_names=False)


def sdxl() -> list[Site]:
    text = text_sites("lora_te1", "te1", 12) + text_sites("lora_te2", "te2", 32)
    return text + unet_sites(UnetShape((0, 2, 10), (10, 2, 0), 10), original_names=True)


@pytest.mark.parametrize(("family", "sites"), [("sd15", sd15()), ("sdxl", sdxl())])
def test_table_and_presets_equal_the_published_lists(family: str, sites: list[Site]) -> None:
    listed = DATA / f"{family}_modules.tsv"
    if not listed.exists():
        pytest.skip(f"{listed} is not here")
    rows = [line.split("\t") for line in listed.read_text(encoding="utf-8").splitlines()[1:]]
    presets = {row[0]: set(row[3].split(",")) for row in rows}
    names = {site.name for site in sites}
    assert len(names) == len(sites)
    assert set(presets) <= names
    # what the table has beyond the list are skips of blocks whose width does not change: attaching passes over them
    assert all(name.endswith(("conv_shortcut", "skip_connection")) for name in names - set(presets))
    for preset in PRESETS:
        ours = {site.name for site in chosen(sites, preset)} & set(presets)
        assert ours == {name for name, held in presets.items() if preset in held}, preset


def test_paths_are_unique() -> None:
    for sites in (sd15(), sdxl()):
        assert len({(s.part, s.path) for s in sites}) == len(sites)
