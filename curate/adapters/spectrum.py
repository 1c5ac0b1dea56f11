"""Singular values of ΔW, and the vectors of the largest of them, without making ΔW where its factors are smaller."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from typing_extensions import override

NEGLIGIBLE = 1e-9
"""Share of the largest singular value below which another is rounding: about the root of double precision's."""


class Spectrum(ABC):
    """`values` [n] are the singular values of a matrix [rows, columns], largest first, without those that are zero."""

    values: Tensor

    @abstractmethod
    def vectors(self, count: int) -> tuple[Tensor, Tensor]:
        """The left [rows, count] and right [count, columns] singular vectors of the largest values."""

    def factors(self, kept: int | Tensor, scale: float = 1.0) -> tuple[Tensor, Tensor]:
        """The matrix of the `kept` largest values, or of those at these indices, divided by `scale`.

        up [rows, kept] and down [kept, columns] are equally long, which suits half precision.
        """
        at = torch.arange(kept) if isinstance(kept, int) else kept
        left, right = self.vectors(int(at.max()) + 1 if len(at) else 0)
        root = (self.values[at] / scale).sqrt()
        return left[:, at] * root, right[at] * root[:, None]

    @property
    def norm(self) -> float:
        """Frobenius norm."""
        return float(self.values.square().sum().sqrt())


class FactorSpectrum(Spectrum):
    """Of up·down: QR of both factors leaves an r×r matrix with the same singular values."""

    def __init__(self, up: Tensor, down: Tensor) -> None:
        left, upper = torch.linalg.qr(up.double())
        right, lower = torch.linalg.qr(down.double().T)
        inner_left, values, inner_right = torch.linalg.svd(upper @ lower.T)
        kept = _not_negligible(values)
        self.values = values[:kept]
        self._left, self._right = (left, inner_left), (inner_right, right)

    @override
    def vectors(self, count: int) -> tuple[Tensor, Tensor]:
        return self._left[0] @ self._left[1][:, :count], self._right[0][:count] @ self._right[1].T


class KroneckerSpectrum(Spectrum):
    """Of kron(first, second): singular values are the products of theirs, and so are the vectors."""

    def __init__(self, first: Tensor, second: Tensor) -> None:
        self._first = torch.linalg.svd(first.double(), full_matrices=False)
        self._second = torch.linalg.svd(second.double(), full_matrices=False)
        products = torch.outer(self._first[1], self._second[1])
        values, order = products.flatten().sort(descending=True, stable=True)
        kept = _not_negligible(values)
        self.values, self._order = values[:kept], order[:kept]

    @override
    def vectors(self, count: int) -> tuple[Tensor, Tensor]:
        at = self._order[:count]
        one, two = at // len(self._second[1]), at % len(self._second[1])
        left = _column_products(self._first[0][:, one], self._second[0][:, two])
        return left, _column_products(self._first[2][one].T, self._second[2][two].T).T


class MatrixSpectrum(Spectrum):
    """Of a matrix that has no factors: eigenvectors of its Gram matrix of the shorter side, in double precision.

    Several times as fast as a full SVD; values below 1e-8 of the largest are not exact.
    """

    def __init__(self, matrix: Tensor) -> None:
        self._matrix = matrix.double()
        self._wide = matrix.shape[0] < matrix.shape[1]
        across = self._matrix if self._wide else self._matrix.T
        squares, vectors = torch.linalg.eigh(across @ across.T)
        values = squares.flip(0).clamp(min=0).sqrt()
        # a Gram matrix squares the values: half of the digits are left
        kept = _not_negligible(values, NEGLIGIBLE**0.5 * 1e-3)
        self.values, self._vectors = values[:kept], vectors.flip(1)[:, :kept]

    @override
    def vectors(self, count: int) -> tuple[Tensor, Tensor]:
        own, values = self._vectors[:, :count], self.values[:count]
        if self._wide:
            return own, (own.T @ self._matrix) / values[:, None]
        return (self._matrix @ own) / values, own.T


def _not_negligible(values: Tensor, least: float = NEGLIGIBLE) -> int:
    if not len(values) or not float(values[0]):
        return 0
    return int((values > least * values[0]).sum())


def _column_products(first: Tensor, second: Tensor) -> Tensor:
    """The Kronecker product of each column of [m, n] with that of [k, n]: [m·k, n]."""
    return (first[:, None, :] * second[None, :, :]).flatten(0, 1)
