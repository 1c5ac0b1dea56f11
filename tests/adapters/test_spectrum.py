"""Singular values and their vectors, of every algorithm and form, against a full SVD of ΔW."""

from __future__ import annotations

import pytest
import torch

from curate.adapters.spectrum import FactorSpectrum, KroneckerSpectrum, MatrixSpectrum
from tests.adapters.helpers import CASES, LAYERS, built, shaken


@pytest.mark.parametrize(("algo", "layer", "name"), CASES)
def test_values_are_those_of_a_full_svd_and_all_of_them_give_the_whole(algo: str, layer: str, name: str) -> None:
    torch.manual_seed(3)
    adapter = shaken(built(algo, LAYERS[layer](), name))
    delta = adapter.delta().detach().flatten(1)
    spectrum = adapter.spectrum()
    full = torch.linalg.svdvals(delta)
    assert torch.allclose(spectrum.values, full[: len(spectrum.values)], rtol=1e-6, atol=1e-9 * float(full[0]))
    assert float(full[len(spectrum.values) :].sum()) < 1e-5 * float(full[0])
    up, down = spectrum.factors(len(spectrum.values), 0.5)
    assert torch.allclose(up @ down * 0.5, delta, atol=1e-6 * float(full[0]))


@pytest.mark.parametrize(("algo", "layer", "name"), CASES)
def test_factors_make_the_whole(algo: str, layer: str, name: str) -> None:
    torch.manual_seed(4)
    adapter = shaken(built(algo, LAYERS[layer](), name))
    pair = adapter.factors()
    if algo == "lora":
        assert pair is not None
    if pair is not None:
        assert torch.allclose(pair[0] @ pair[1], adapter.delta().flatten(1))


def test_the_largest_values_give_the_best_approximation() -> None:
    torch.manual_seed(5)
    first, second = torch.randn(4, 6).double(), torch.randn(9, 5).double()
    up, down = torch.randn(36, 7).double(), torch.randn(7, 30).double()
    for spectrum, whole in (
        (FactorSpectrum(up, down), up @ down),
        (KroneckerSpectrum(first, second), torch.kron(first, second)),
        (MatrixSpectrum(up @ down), up @ down),
        (MatrixSpectrum((up @ down).T.contiguous()), (up @ down).T),
    ):
        values = torch.linalg.svdvals(whole)
        for count in (1, 3, 6):
            a, b = spectrum.factors(count)
            error = torch.linalg.matrix_norm(whole - a @ b, "fro")
            assert float(error) == pytest.approx(float(values[count:].norm()), rel=1e-6)
            assert torch.allclose(a.norm(dim=0), b.norm(dim=1))


def test_a_change_of_zero_has_no_values() -> None:
    assert len(FactorSpectrum(torch.zeros(6, 2), torch.randn(2, 5)).values) == 0
    assert len(MatrixSpectrum(torch.zeros(6, 5)).values) == 0
    assert len(KroneckerSpectrum(torch.zeros(2, 2), torch.ones(2, 2)).values) == 0
