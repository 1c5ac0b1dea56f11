"""Balance: how often each concept's pictures are shown per epoch, so that every concept is learned equally well."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from curate.core.conflicts import check_rules
from curate.core.counting import counted, deviation
from curate.core.events import Listener, Note
from curate.core.record import Manifest
from curate.core.stage import Concept, DatasetStage, Env

_SHOWINGS, _STYLE_SHOWINGS = 100, 35


@dataclass(frozen=True, slots=True)
class Share:
    """One concept's part: `pictures`, the `weight` asked for, the `repeats` found."""

    pictures: int
    weight: Fraction
    repeats: int

    @property
    def showings(self) -> int:
        """Pictures shown per epoch."""
        return self.pictures * self.repeats


def half_up(value: float | Fraction) -> int:
    """Rounds to the nearest integer, halves upward (Python's own `round` goes to the even one)."""
    return math.floor(Fraction(value) + Fraction(1, 2))


def repeats_for(
    pictures: Mapping[str, int], weights: Mapping[str, Fraction], base: int, fixed: Mapping[str, int], cap: int | None
) -> dict[str, Share]:
    """N_i = round half up of base · w_i · n_max / n_i, at least 1 and at most `cap`; `fixed` ones keep theirs."""
    most = max(pictures.values())
    shares: dict[str, Share] = {}
    for name, count in pictures.items():
        n = max(1, half_up(base * weights[name] * most / count))
        shares[name] = Share(count, weights[name], fixed.get(name) or (min(n, cap) if cap else n))
    return shares


def imbalance(shares: Mapping[str, Share]) -> dict[str, float]:
    """For each concept, its showings per weight relative to the mean over concepts, minus 1: 0 is exact."""
    exposure = {name: float(s.showings / s.weight) for name, s in shares.items()}
    mean = sum(exposure.values()) / len(exposure)
    return {name: e / mean - 1 for name, e in exposure.items()}


class Balance(DatasetStage):
    """Choose repeats so that every concept gets the same number of samples per epoch, or a share by weight."""

    base: int | None = Field(
        default=None,
        ge=1,
        description=(
            "Repeats of the concept with the most pictures, the lowest of all. Default: 1, or the "
            "number in its folder's name."
        ),
    )
    tolerance: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description=(
            "With weights: how far the result may differ from the weights, because repeats are whole "
            "numbers; 0.1 is 10%."
        ),
    )
    max_base: int = Field(
        default=20,
        ge=1,
        description=(
            "With weights: the largest number of repeats to try for the concept with the most "
            "pictures, until all concepts are within the tolerance."
        ),
    )
    cap: int | None = Field(default=None, ge=1, description="No concept gets more repeats than this.")
    limit: int = Field(
        default=10, ge=1, description="Warn about a concept with more repeats than this, because it may overbake."
    )
    showings: int | None = Field(
        default=None,
        ge=1,
        description=(
            "How often training should show each picture in total: recommends a number of epochs, or with `epochs` "
            "sets the repeats. Default: 100, for a style 35."
        ),
    )

    epochs: int | None = Field(
        default=None,
        ge=1,
        description=(
            "Number of epochs you will train. Repeats are then chosen so that training shows each picture of the "
            "concept with the most pictures as often as `showings` says."
        ),
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        description=(
            "How many pictures of each concept training should show in total (its steps with batch size 1). With "
            "`epochs`, repeats are steps / pictures / epochs; without, the number of epochs is recommended."
        ),
    )

    layout: ClassVar[Literal["same", "repeats"]] = "repeats"
    reads: ClassVar[frozenset[str]] = frozenset({"repeats"})
    writes: ClassVar[frozenset[str]] = frozenset({"repeats", "facts"})
    version: ClassVar[int] = 2
    concept_reads: ClassVar[frozenset[str]] = frozenset({"weight", "repeats", "kind"})

    @model_validator(mode="after")
    def _check_base(self) -> Self:
        check_rules(self, (_one_count,))
        return self

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        """Sets `repeats` on every record, notes the weight as the fact `weight`, and tells each concept's share."""
        present = manifest.present
        if not len(present):
            return manifest
        pictures: dict[str, int] = {}
        for record in present:
            pictures[record.concept] = pictures.get(record.concept, 0) + 1
        settings = {name: env.concepts.get(name, Concept()) for name in pictures}
        shares = self.shares(pictures, settings, {r.concept: r.repeats for r in present})
        self._advise(shares, settings, tell)
        return Manifest(
            dataclasses.replace(r.noting(weight=settings[r.concept].weight), repeats=shares[r.concept].repeats)
            if not r.aside and r.concept in shares
            else r
            for r in manifest
        )

    def shares(
        self, pictures: Mapping[str, int], settings: Mapping[str, Concept], given: Mapping[str, int]
    ) -> dict[str, Share]:
        """The share of each concept. `given` are the repeats that the folders' own names state."""
        weights = {name: Fraction(str(s.weight)) for name, s in settings.items()}
        fixed = {name: s.repeats for name, s in settings.items() if s.repeats}
        largest = min(pictures, key=lambda name: (-pictures[name], name))
        target = None if largest in fixed else self._target(pictures[largest], settings[largest])
        chosen = self.base or target
        base = chosen or fixed.get(largest) or given.get(largest) or 1
        if chosen or len(set(weights.values())) == 1 or largest in fixed:
            # the largest concept's repeats are given: the others' weights count against its own
            against = {name: w / weights[largest] for name, w in weights.items()}
            return repeats_for(pictures, against, base, fixed, self.cap)
        best: tuple[float, dict[str, Share]] | None = None
        for base in range(1, self.max_base + 1):
            shares = repeats_for(pictures, weights, base, fixed, self.cap)
            error = max(map(abs, imbalance(shares).values()))
            if best is None or error < best[0] - 1e-9:
                best = (error, shares)
            if error <= self.tolerance:
                break
        assert best is not None
        return best[1]

    def _target(self, most: int, settings: Concept) -> int | None:
        """Repeats of the largest concept, of `most` pictures, by the epochs that will be trained; None without them."""
        if self.epochs is None:
            return None
        shown = Fraction(self.steps, most) if self.steps else Fraction(self._showings(settings))
        return max(1, half_up(shown / self.epochs))

    def _showings(self, settings: Concept) -> int:
        return self.showings or (_STYLE_SHOWINGS if settings.kind == "style" else _SHOWINGS)

    def _advise(self, shares: Mapping[str, Share], settings: Mapping[str, Concept], tell: Listener) -> None:
        largest = min(shares, key=lambda name: (shares[name].repeats, name))
        often = self._showings(settings[largest])
        for line in _table(shares, settings, often):
            tell(Note("info", line, "balance"))
        for name, s in sorted(shares.items()):
            if s.repeats > self.limit:
                warning = f"{name} is repeated {counted(s.repeats, 'time')}: it may overbake; add pictures or set `cap`"
                tell(Note("warning", warning, "balance"))
        tell(Note("advice", self._epochs(shares[largest], largest, often), "balance"))

    def _epochs(self, share: Share, largest: str, often: int) -> str:
        """How long to train."""
        if self.epochs:
            shown = share.repeats * self.epochs
            return f"{counted(self.epochs, 'epoch')} train each picture of {largest} {counted(shown, 'time')}"
        if self.steps:
            epochs = max(1, half_up(Fraction(self.steps, share.showings)))
            shown = f"so that about {counted(self.steps, 'picture')} of {largest} are shown in all"
        else:
            epochs = max(1, half_up(Fraction(often, share.repeats)))
            shown = f"so that each picture of {largest} is trained {counted(often, 'time')}"
        return f"train about {counted(epochs, 'epoch')}, {shown}"


def _table(shares: Mapping[str, Share], settings: Mapping[str, Concept], often: int) -> list[str]:
    """A line for each concept below a line of headings, in columns; `often` is how often a picture shall be trained."""
    weighted = any(settings[name].weight != 1 for name in shares)
    whole = sum(s.showings for s in shares.values())
    rows = [["concept", "pictures", "repeats", "shown per epoch", "share", "error", f"epochs for {often}"]]
    for name, s in sorted(shares.items()):
        epochs = max(1, half_up(Fraction(often, s.repeats)))
        row = [name, f"{s.pictures:,}", f"{s.repeats:,}", f"{s.showings:,}", f"{s.showings / whole:.0%}"]
        rows.append([*row, deviation(imbalance(shares)[name]), f"{epochs:,}"])
    if weighted:
        for row, cell in zip(rows, ["weight", *(f"{settings[n].weight:g}" for n in sorted(shares))], strict=True):
            row.insert(3, cell)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _one_count(options: Balance) -> Iterator[str]:
    if options.base and options.epochs:
        yield "base and epochs both say how often pictures are repeated: give one of them"
