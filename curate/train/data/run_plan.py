"""The one place where the course of a training run is worked out: buckets, repeats, order, steps and epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.core.digests import text_digest
from curate.errors import InputError
from curate.train.data import buckets
from curate.train.data.dataset import Picture
from curate.train.data.order import Order
from curate.train.options import TrainOptions, resolve


def bucket_step(options: TrainOptions, resolution: int) -> int:
    """What sides of buckets are multiples of."""
    return options.bucket_step or (64 if resolution >= 256 else 32)


def bucket_sides(options: TrainOptions, resolution: int) -> tuple[int, int]:
    """The shortest and the longest side that a bucket may have."""
    shortest = options.bucket_min or max(bucket_step(options, resolution), resolution // 2)
    return shortest, options.bucket_max or resolution * 2


class Fitting:
    """The buckets that options and a base of that native resolution make."""

    def __init__(self, options: TrainOptions, native: int, least: int = 8, resolution: int | None = None) -> None:
        """`least` is what the family's sides are multiples of. Raises InputError where no bucket is left.

        Of several resolutions the largest counts, unless one is named.
        """
        self.resolution = resolution or options.largest_resolution or native
        self.upscale = options.upscale
        self.step = bucket_step(options, self.resolution)
        if self.step % least:
            raise InputError(
                f"bucket_step {self.step}: sides of pictures must be multiples of {least} for this base",
                f"bucket_step {least} or a multiple of it",
            )
        smallest, largest = bucket_sides(options, self.resolution)
        if not smallest <= self.resolution <= largest:
            raise InputError(
                f"resolution {self.resolution} is not between bucket_min {smallest} and bucket_max {largest}"
            )
        self.sizes = buckets.resolutions(self.resolution, smallest, largest, self.step)

    def of(self, picture: Picture) -> buckets.Fit:
        """A picture's bucket and its place in it."""
        return self.of_size(picture.width, picture.height)

    def of_size(self, width: int, height: int) -> buckets.Fit:
        """The bucket of a picture of that size in pixels, and its place in it."""
        if self.upscale:
            return buckets.fit(width, height, self.sizes)
        return buckets.fit_no_upscale(width, height, self.resolution, self.step)


def fits(
    options: TrainOptions, native: int, least: int, pictures: Sequence[Picture]
) -> list[tuple[Picture, buckets.Fit]]:
    """Each picture with its place in a bucket, at each resolution; once where two of them give the same."""
    fittings = [Fitting(options, native, least, side) for side in options.resolutions or (native,)]
    return [(picture, fit) for picture in pictures for fit in dict.fromkeys(one.of(picture) for one in fittings)]


@dataclass(frozen=True)
class Outline:
    """What pictures and options come to.

    pictures  all of them, at however many resolutions each is shown
    own       those that are no regularisation
    hidden    regularisation pictures that are never shown
    shapes    pictures by bucket
    """

    order: Order
    steps: int
    epochs: int
    pictures: int
    own: int
    hidden: int
    shapes: dict[buckets.Size, int]

    @property
    def showings(self) -> int:
        """Pictures shown over the whole run."""
        return self.order.showings(self.steps)


def outline(options: TrainOptions, pictures: Sequence[Picture], fits: Sequence[buckets.Fit]) -> Outline:
    """The course of a run over these pictures, the concepts' before those for regularisation; `fits` are theirs.

    A picture that is shown at several resolutions is there as often.
    """
    order = Order(
        groups=[(p.reg, p.concept, fit.bucket) for p, fit in zip(pictures, fits, strict=True)],
        repeats=shown_repeats(pictures),
        batch=options.batch,
        accumulate=options.accumulate,
        seed=options.seed,
    )
    own = [p for p in pictures if not p.reg]
    number, every = len({p.path for p in own}), len({p.path for p in pictures})
    steps, epochs = resolve.length(options, order.steps_per_epoch, number, sum(p.repeats for p in own))
    shown = {p.path for p, repeats in zip(pictures, order.repeats, strict=True) if repeats}
    hidden = every - len(shown)
    shapes = dict(sorted(Counter(fit.bucket for fit in fits).items()))
    return Outline(order, steps, epochs, every, number, hidden, shapes)


def shown_repeats(pictures: Sequence[Picture]) -> list[int]:
    """Showings per epoch: the folders' repeats, and regularisation pictures as often as all others together."""
    own = [p.repeats for p in pictures if not p.reg]
    reg = [p.repeats for p in pictures if p.reg]
    return own + (reg_repeats(reg, sum(own)) if reg else [])


def reg_repeats(repeats: Sequence[int], wanted: int) -> list[int]:
    """How often each regularisation picture is shown, so that all are shown `wanted` times: kohya's rule.

    Pictures are taken in order with their folder's repeats until there are enough; where all of them are too few,
    each gets one more in turn. Later pictures may be left with 0. The last taken may overshoot.
    """
    found = [0] * len(repeats)
    total = 0
    for index, count in enumerate(repeats):
        if total >= wanted:
            return found
        found[index] = count
        total += count
    index = 0
    while total < wanted:
        found[index % len(found)] += 1
        total += 1
        index += 1
    return found


def split(pictures: Sequence[Picture], share: float, seed: int) -> tuple[list[Picture], list[Picture]]:
    """(to train on, held out): of each concept this share, at least one picture and never all of them.

    Which ones depends on the seed and each picture's own bytes: adding pictures moves few others.
    """
    if not share:
        return list(pictures), []
    by_concept: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_concept.setdefault(picture.concept, []).append(picture)
    held: set[Path] = set()
    for group in by_concept.values():
        ranked = sorted(group, key=lambda p: text_digest("held out", str(seed), p.digest, p.path.name))
        held |= {p.path for p in ranked[: min(len(group) - 1, max(1, round(share * len(group))))]}
    return [p for p in pictures if p.path not in held], [p for p in pictures if p.path in held]
