"""Balance: how much of the training each concept gets."""

from __future__ import annotations

from curate.core.counting import counted, deviation
from curate.report import health
from curate.report.concepts import by_concept
from curate.report.elements import Markup, bar, el, joined, table
from curate.report.page import Page

_SHOWINGS = 100
"""How often each picture is to be trained, by a rule of thumb."""


def balance(page: Page) -> Markup:
    """In a sentence, then a row for each concept."""
    shares = health.shares(page.manifest, page.concepts)
    if not shares:
        return Markup("")
    most = max(max(s.part, s.part_before) for s in shares) or 1
    triggers = {name: ", ".join(rows[0].trigger) for name, rows in by_concept(page.manifest)}
    rows: list[list[str]] = []
    for share in shares:
        repeats = " or ".join(f"{n}" for n in share.repeats) or "0"
        rows.append(
            [
                *(
                    share.concept,
                    triggers[share.concept],
                    f"{share.came:,}",
                    f"{share.pictures:,}",
                    repeats,
                    f"{share.weight:g}",
                ),
                f"{share.showings:,}",
                *(bar(part / most, f"{part:.1%}") for part in (share.part_before, share.part)),
                *_after_rounding(share, shares),
            ]
        )
    head = ["concept", "trigger", "pictures", "prepared", "repeats", "weight", "shown per epoch"]
    head += [
        "share before repeats",
        "share of training",
        "error of rounding",
        f"epochs for {counted(_SHOWINGS, 'showing')}",
    ]
    return joined(el("p", _sentence(shares)), table(head, rows))


def _after_rounding(share: health.Share, shares: list[health.Share]) -> list[str]:
    """How far whole repeats are from the weights, and the epochs after which each picture was shown often enough."""
    shown = {s.concept: s.showings / s.weight for s in shares if s.showings}
    mean = sum(shown.values()) / len(shown) if shown else 0
    repeats = share.repeats[0] if len(share.repeats) == 1 else 0
    error = deviation(shown[share.concept] / mean - 1) if share.concept in shown else ""
    return [error, f"{max(1, round(_SHOWINGS / repeats)):,}" if repeats else ""]


def _sentence(shares: list[health.Share]) -> str:
    showings = sum(share.showings for share in shares)
    line = f"An epoch shows {counted(showings, 'picture')}."
    if len(shares) < 2:
        return line
    first, last = max(shares, key=lambda s: s.part), min(shares, key=lambda s: s.part)
    if first.part == last.part:
        return f"{line} Every concept gets the same share."
    line += f" {first.concept} gets the largest share, {last.concept} the smallest."
    if any(share.repeats not in ((), (1,)) for share in shares):
        line += " Before repeats, the share of a concept is that of its pictures."
    return line
