"""Crowds: sets of so many pictures of one kind that not every one is compared with every other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.images.duplicates.likeness import Likeness
from curate.images.duplicates.pairs import Indexes, Pairs

_CROWD = 64  # a picture that resembles more than so many others by its hash is in a crowd
_PATIENCE = 8  # of a crowd, each picture is compared with the most similar ones until so many in a row differ from it
_SIDE = 16

Pair = tuple[int, int]
Match = tuple[int, int, Likeness]


def split(pairs: Pairs) -> tuple[Pairs, dict[int, Indexes]]:
    """The pairs outside of crowds, all of which are compared; of those in crowds, the later ones by the earlier.

    The pairs are in ascending order.
    """
    degree = np.bincount(pairs.ravel())
    in_crowd = (degree[pairs] > _CROWD).any(axis=1)
    crowded = pairs[in_crowd]
    starts = np.flatnonzero(np.diff(crowded[:, 0], prepend=-1))
    others = np.split(crowded[:, 1], starts[1:])
    return pairs[~in_crowd], dict(zip(crowded[starts, 0].tolist(), others, strict=False))


def search(
    crowded: Mapping[int, Indexes],
    preview: Callable[[int], NDArray[Any] | None],
    compare: Callable[[Sequence[Pair]], Sequence[Likeness | None]],
) -> Iterator[Match]:
    """What is alike in crowds. A picture that is another one as a whole stands for it no more: the other one does.

    `preview` is a picture at any small size, None where it cannot be read; `compare` tells of many pairs how alike they
    are, None for no duplicates.
    """
    represented: set[int] = set()
    looks: dict[int, NDArray[np.float32]] = {}
    for one in sorted(crowded):
        if one in represented:
            continue
        others = [other for other in crowded[one].tolist() if other not in represented]
        fruitless = 0
        for start in range(0, len(others), _PATIENCE):
            if start == 0:
                others = _most_similar_first(one, others, preview, looks)
            some = others[start : start + _PATIENCE]
            for other, likeness in zip(some, compare([(one, other) for other in some]), strict=True):
                fruitless = 0 if likeness is not None else fruitless + 1
                if likeness is not None:
                    yield one, other, likeness
                    if likeness.share == 1:
                        represented.add(other)
                        looks.pop(other, None)
            if fruitless >= _PATIENCE:
                break
        looks.pop(one, None)


def _most_similar_first(
    one: int,
    others: Sequence[int],
    preview: Callable[[int], NDArray[Any] | None],
    looks: dict[int, NDArray[np.float32]],
) -> list[int]:
    for index in (one, *others):
        if index not in looks:
            looks[index] = _look(preview(index))
    apart = np.abs(np.stack([looks[other] for other in others]) - looks[one]).mean(axis=1)
    return [others[i] for i in np.argsort(apart, kind="stable").tolist()]


def _look(picture: NDArray[Any] | None) -> NDArray[np.float32]:
    """16×16 colors in which brightness and contrast do not count, but for pictures of one color all over."""
    import cv2

    if picture is None:
        return np.full(3 * _SIDE * _SIDE, 1e6, np.float32)
    small = np.asarray(cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32).ravel()
    if cv2.meanStdDev(picture)[1].max() <= 0.5:
        return small + 1000  # far from all others
    return (small - small.mean()) / max(1.0, float(small.std()))
