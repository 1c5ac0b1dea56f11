"""Resizing: the ranks that recipes choose, against plain formulas on a full SVD; sizes; what stays the same."""

from __future__ import annotations

from math import log10
from pathlib import Path

import pytest
import torch
from torch import Tensor

from curate.adapters import safetensors_file
from curate.adapters.tensor_file import TensorFile
from curate.diffusion.base_weights import BaseWeights
from curate.errors import InputError
from curate.lora.recipes import bytes_of, parse
from curate.lora.resize import Resized, resize
from curate.lora.weights import weighted
from tests.lora.helpers import PLAIN, apart, changes, lora


def resized(source: Path, target: Path, recipe: str, base: Path | None = None, precision: str = "fp32") -> Resized:
    (done,) = all_resized(source, target.parent, {target.name: recipe}, base, precision)
    return done


def all_resized(
    source: Path, place: Path, recipes: dict[str, str], base: Path | None = None, precision: str = "fp32"
) -> list[Resized]:
    """One file for each recipe, by name; the source's singular values are computed once."""
    weights = None if base is None else BaseWeights.open(str(base), True)
    targets = [place / name for name in recipes]
    chosen = [parse(recipe) for recipe in recipes.values()]
    return list(resize([weighted(str(source))], chosen, targets, weights, precision))


@pytest.mark.parametrize(("form", "family"), [*((form, "sd1") for form in PLAIN), ("locon", "sd2"), ("lokr", "sdxl")])
def test_what_keeps_all_changes_nothing(form: str, family: str, bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases[family], form)
    done = resized(source, tmp_path / "b.safetensors", "fro_lora=1,thr=-30")
    assert apart(changes(done.path), changes(source)) < 1e-6
    assert done.error < 1e-6 and all(row.error < 1e-6 for row in done.rows)
    assert {key.split(".", 1)[1] for key in TensorFile.open(done.path).entries} == {
        "alpha", "lora_down.weight", "lora_up.weight",
    }  # fmt: skip


def layer_ranks(deltas: dict[str, Tensor], reference: dict[str, float], threshold: float) -> dict[str, int]:
    values = {layer: torch.linalg.svdvals(delta.double()) for layer, delta in deltas.items()}
    return {
        layer: int((v.clamp(min=1e-12).log10() - reference[layer] >= threshold).sum()) for layer, v in values.items()
    }


def test_thresholds_count_as_formulas_on_a_full_svd_do(bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sdxl"], "locon")
    base, deltas = BaseWeights.open(str(bases["sdxl"]), True), changes(source)
    weights = {layer: base.weight(layer).double().flatten(1) for layer in deltas}
    spectra = {layer: torch.linalg.svdvals(delta.double()) for layer, delta in deltas.items()}
    spectral = {layer: log10(float(torch.linalg.svdvals(w)[0])) for layer, w in weights.items()}
    frobenius = {layer: log10(float(w.norm())) for layer, w in weights.items()}
    own = {layer: log10(float(v[0])) for layer, v in spectra.items()}
    whole = {layer: log10(float(v.norm())) for layer, v in spectra.items()}
    cases = {
        "fro_ckpt=1,thr=-1.9": (frobenius, -1.9),
        "spn_ckpt=1,thr=-0.95": (spectral, -0.95),
        "spn_lora=1,thr=-0.2": (own, -0.2),
        "fro_lora,thr=-0.45": (whole, -0.45),
        "fro_ckpt=3,spn_lora=1,thr=-1.4": ({n: 0.75 * frobenius[n] + 0.25 * own[n] for n in own}, -1.4),
        "fro_ckpt=1,thr=-1.9,rescale=0.5": ({n: v - log10(0.5) for n, v in frobenius.items()}, -1.9),
        "spn_ckpt=0.5,params=0.5,thr=-2.0": (
            {n: 0.5 * spectral[n] + 0.5 * log10(sum(weights[n].shape)) for n in own}, -2.0,
        ),
    }  # fmt: skip
    recipes = {f"{number}.safetensors": recipe for number, recipe in enumerate(cases)}
    results = all_resized(source, tmp_path, recipes, bases["sdxl"])
    for done, (recipe, (reference, threshold)) in zip(results, cases.items(), strict=True):
        wanted = layer_ranks(deltas, reference, threshold)
        assert {row.layer: row.kept for row in done.rows} == wanted, recipe
        assert 0 < sum(wanted.values()) < sum(row.rank for row in done.rows), recipe


def test_subspace_compares_with_what_the_base_does_there(bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sd1"], "lora")
    base, deltas = BaseWeights.open(str(bases["sd1"]), True), changes(source)
    done = resized(source, tmp_path / "b.safetensors", "subspace=1,thr=0.3", bases["sd1"])
    rows, results = {row.layer: row for row in done.rows}, changes(done.path)
    for layer, delta in deltas.items():
        u, s, vh = torch.linalg.svd(delta.double(), full_matrices=False)
        there = torch.stack([u[:, i] @ base.weight(layer).double().flatten(1) @ vh[i] for i in range(6)]).abs()
        mask = s[:6].log10() - there.log10() >= 0.3
        assert rows[layer].kept == int(mask.sum())
        if mask.any():
            kept = (u[:, :6] * (s[:6] * mask)) @ vh[:6]
            assert float((results[layer] - kept).norm()) < 1e-5 * float(delta.norm())


@pytest.fixture(scope="module")
def plain(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lora(tmp_path_factory.mktemp("plain") / "a.safetensors", bases["sd1"])


@pytest.fixture(scope="module")
def decomposed(plain: Path) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """The SVD of each layer's change."""
    return {n: tuple(torch.linalg.svd(d.double(), full_matrices=False)) for n, d in changes(plain).items()}


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ("rank=2", lambda s: 2),
        ("sum=0.6", lambda s: int((s.cumsum(0) / s.sum() < 0.6).sum()) + 1),
        ("fro=0.9", lambda s: int(((s**2).cumsum(0) / (s**2).sum() < 0.81).sum()) + 1),
        ("ratio=1.3", lambda s: int((s > s[0] / 1.3).sum())),
        ("sum=0.9,rank=3", lambda s: min(3, int((s.cumsum(0) / s.sum() < 0.9).sum()) + 1)),
    ],
)
def test_shares_of_each_layer(
    recipe: str, count: object, plain: Path, decomposed: dict[str, tuple[Tensor, Tensor, Tensor]], tmp_path: Path
) -> None:
    assert callable(count)
    done = resized(plain, tmp_path / "b.safetensors", recipe)
    results = changes(done.path)
    dropped = whole = 0.0
    for row in done.rows:
        u, s, vh = decomposed[row.layer]
        s = s[:6]
        assert row.kept == count(s), row
        best = (u[:, : row.kept] * s[: row.kept]) @ vh[: row.kept]
        assert float((results[row.layer] - best).norm()) < 1e-6 * float(s.norm())
        assert row.error == pytest.approx(float(s[row.kept :].norm() / s.norm()), abs=1e-6)
        assert row.share == pytest.approx(float(s[: row.kept].sum() / s.sum()), abs=1e-6)
        dropped, whole = dropped + float(s[row.kept :].square().sum()), whole + float(s.square().sum())
    assert done.error == pytest.approx((dropped / whole) ** 0.5, abs=1e-6)


def test_convolutions_have_a_rank_of_their_own(bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sd1"], "locon")
    done = resized(source, tmp_path / "b.safetensors", "rank=4,conv_rank=1")
    tensors, _ = safetensors_file.read(done.path)
    shapes = {k: tuple(t.shape) for k, t in tensors.items()}
    assert shapes["lora_unet_mid_block_resnets_0_conv1.lora_down.weight"][0] == 1
    assert shapes["lora_unet_mid_block_resnets_0_conv1.lora_down.weight"][2:] == (3, 3)
    assert shapes["lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"][2:] == (1, 1)
    assert shapes["lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight"] == (4, 64)
    # one alpha for all: diffusers mistakes alphas of single layers. That of the larger rank keeps its scale 3/6
    assert {float(t) for k, t in tensors.items() if k.endswith("alpha")} == {2.0}


@pytest.mark.parametrize("precision", ["fp16", "fp32", "bf16"])
def test_a_size_is_kept_and_used(precision: str, bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sd1"])
    sizes = [kilobytes * 1024 for kilobytes in (120, 200, 301)]
    recipes = {f"{size}.safetensors": f"fro_ckpt=1,size={size / (1 << 20)}" for size in sizes}
    results = all_resized(source, tmp_path, recipes, bases["sd1"], precision)
    for size, done in zip(sizes, results, strict=True):
        assert done.size == done.path.stat().st_size <= size
        assert done.size > size - 6000  # room for the header's words, and less than one rank
    # what is kept scores higher than what is dropped
    recipes = {f"{n}.safetensors": f"fro_ckpt=1,thr={done.threshold}" for n, done in enumerate(results)}
    for thr, done in zip(all_resized(source, tmp_path, recipes, bases["sd1"], precision), results, strict=True):
        assert [row.kept for row in thr.rows] == [row.kept for row in done.rows]


def test_sizes_are_as_computed(bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sdxl"])
    done = resized(source, tmp_path / "b.safetensors", "rank=3", precision="fp16")
    file = TensorFile.open(done.path)
    wanted = sum(2 * (3 * sum(delta.shape) + 1) for delta in changes(source).values())
    assert done.size - file.data_start == wanted


def test_the_scale_of_the_source_stays_and_rescale_is_in_the_weights(bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sd1"])
    done = resized(source, tmp_path / "b.safetensors", "fro_lora,thr=-9,rescale=0.25")
    scaled = {layer: delta * 0.25 for layer, delta in changes(source).items()}
    assert apart(changes(done.path), scaled) < 1e-6
    tensors, metadata = safetensors_file.read(done.path)
    assert all(float(t) == 3.0 for k, t in tensors.items() if k.endswith("alpha"))
    assert metadata["ss_network_dim"] == "6" and metadata["ss_network_alpha"] == "3.0"


def test_hashes_and_metadata_fit(bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sd1"])
    done = resized(source, tmp_path / "small.safetensors", "fro_ckpt=1,size=0.2", bases["sd1"], "fp16")
    tensors, metadata = safetensors_file.read(done.path)
    fresh = safetensors_file.hashes(tensors, metadata)
    assert {key: metadata[key] for key in fresh} == fresh
    assert metadata["ss_output_name"] == "small" == metadata["modelspec.title"]
    assert metadata["ss_network_dim"] == "Dynamic" and "fro_ckpt=1,size=0.2" in metadata["ss_training_comment"]
    # written in the library's own order of tensors
    assert safetensors_file.serialize(tensors, metadata) == done.path.read_bytes()


def test_several_recipes_and_several_files_at_once(bases: dict[str, Path], tmp_path: Path) -> None:
    one, two = (lora(tmp_path / f"{n}.safetensors", bases["sd1"], seed=n) for n in (1, 2))
    recipes, targets = [parse("rank=2"), parse("fro=0.8")], [tmp_path / "r.safetensors", tmp_path / "f.safetensors"]
    done = list(resize([weighted(f"{one}:0.5"), weighted(str(two))], recipes, targets, precision="fp32"))
    first, second = changes(one), changes(two)
    for layer, delta in changes(done[0].path).items():
        u, s, vh = torch.linalg.svd((0.5 * first[layer] + second[layer]).double())
        assert float((delta - (u[:, :2] * s[:2]) @ vh[:2]).norm()) < 1e-6 * float(s.norm())
    assert all(row.rank == 12 for row in done[1].rows)


def test_what_a_plain_lora_cannot_hold_is_named(bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sd1"], "norms")
    done = resized(source, tmp_path / "b.safetensors", "rank=2")
    assert any("norm layers" in text for text in done.left_out)
    full = lora(tmp_path / "full.safetensors", bases["sd1"], "full", layer_preset="attn-only")
    whole = resized(full, tmp_path / "c.safetensors", "rank=8")
    assert any("changes of biases" in text for text in whole.left_out)
    assert 0 < whole.error < 1


@pytest.mark.parametrize("form", ["glora", "ia3", "oft", "boft", "full"])
def test_every_algorithm_becomes_a_plain_lora(form: str, bases: dict[str, Path], tmp_path: Path) -> None:
    options = {} if form == "ia3" else {"layer_preset": "attn-only"}
    source = lora(tmp_path / "a.safetensors", bases["sd1"], form, **options)
    if form != "full":
        with pytest.raises(InputError, match="depends on the base model"):
            resized(source, tmp_path / "b.safetensors", "rank=4")
    done = resized(source, tmp_path / "b.safetensors", "fro_lora,thr=-20", bases["sd1"])
    assert apart(changes(done.path), changes(source, bases["sd1"])) < 1e-5


def test_a_dora_keeps_its_lengths(bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sd1"], "dora")
    done = resized(source, tmp_path / "b.safetensors", "fro_lora,thr=-20")
    assert apart(changes(done.path, bases["sd1"]), changes(source, bases["sd1"])) < 1e-4


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("", 'unknown word ""'),
        ("banana=1,thr=-1", 'unknown word "banana"'),
        ("fro_cpkt=1,thr=-3", "fro_ckpt"),
        ("fro_ckpt=1", "does not say how much is kept"),
        ("thr=-3.5", "compares with nothing"),
        ("rank=2,fro_ckpt=1", "has no effect"),
        ("fro_ckpt=1,thr=-3,size=2", "thr and size both choose"),
        ("sum=0.5,fro=0.5", "sum and fro both choose"),
        ("fro_ckpt=x,thr=-3", "is not a number"),
        ("rank=0", "is not a number that rank can be"),
        ("rank=2.5", "not a whole number"),
        ("sum=1.5", "at most 1"),
        ("ratio=0.5", "at least 1"),
        ("fro_ckpt=nan,thr=1", "is not a number"),
        ("rank=2,rank=3", "twice"),
        ("rank=2,rescale=0", "leaves nothing"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(recipe: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(recipe)


def test_sizes_as_people_write_them() -> None:
    assert [bytes_of(t) for t in ("20MB", "20 MiB", "1.5gb", "800k" + "B", "5000")] == [
        20_000_000, 20 << 20, 1_500_000_000, 800_000, 5000,
    ]  # fmt: skip
    for text in ("", "MB", "-3MB", "3 bananas", "0MB"):
        with pytest.raises(InputError, match="is not a size"):
            bytes_of(text)


def test_refusals_write_nothing(bases: dict[str, Path], tmp_path: Path) -> None:
    source = lora(tmp_path / "a.safetensors", bases["sd1"])
    there = tmp_path / "there.safetensors"
    there.write_bytes(b"mine")
    with pytest.raises(InputError, match="exists already"):
        resized(source, there, "rank=2")
    assert there.read_bytes() == b"mine"
    new = tmp_path / "new.safetensors"
    with pytest.raises(InputError, match="compares with the base model"):
        resized(source, new, "fro_ckpt=1,thr=-3")
    with pytest.raises(InputError, match="keeps nothing"):
        resized(source, new, "fro_lora,thr=5")
    with pytest.raises(InputError, match="no room for one rank"):
        resized(source, new, "fro_lora,size=0.001")
    with pytest.raises(InputError, match="give the base that the LoRA is for"):
        resized(source, new, "fro_ckpt=1,thr=-3", bases["sdxl"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "there.safetensors"]
