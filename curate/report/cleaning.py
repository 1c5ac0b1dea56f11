"""What was measured and decided about noise and size: the figures of denoise and upscale, for summary and report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from curate.core.counting import counted
from curate.core.record import Record

_FACTS = frozenset({"denoise", "upscaled", "lowres"})


def figures(records: Iterable[Record]) -> dict[str, Any]:
    """The decisions as JSON-able values; empty where neither stage took part.

    `denoise` counts what was measured, suspected, cleaned and discarded, and lists every picture that is more than
    measured: noise score before and after, PSNR in dB (None for equal pictures) and SSIM to the one before, methods,
    why nothing was changed, and where in the ledger folder the stage's `report` drew the comparison. `upscale` counts
    what was enlarged and what stays small.
    """
    rows = [(r.key, r.facts) for r in records if not r.aside and not r.facts.keys().isdisjoint(_FACTS)]
    seen = [(key, facts["denoise"]) for key, facts in rows if isinstance(facts.get("denoise"), Mapping)]
    left = [key for key, fact in seen if fact.get("why") == "consent"]
    enlarged = [(key, facts["upscaled"]) for key, facts in rows if isinstance(facts.get("upscaled"), Mapping)]
    small = [key for key, facts in rows if facts.get("lowres")]
    found: dict[str, Any] = {}
    if seen:
        pictures = [_decision(key, fact) for key, fact in seen if fact.get("suspected") or fact.get("methods")]
        found["denoise"] = {
            "measured": sum("score" in fact for _, fact in seen),
            "suspected": sum(bool(fact.get("suspected")) for _, fact in seen),
            "cleaned": sum(bool(fact.get("done")) for _, fact in seen),
            "discarded": sum("methods" in fact and not fact.get("done") for _, fact in seen),
            "refused": left,
            "pictures": pictures,
        }
    if enlarged or small:
        sizes = [{"key": key, "model": fact["model"], "from": fact["from"], "to": fact["to"]} for key, fact in enlarged]
        found["upscale"] = {"enlarged": len(enlarged), "lowres": small, "pictures": sizes}
    return found


def _decision(key: str, fact: Mapping[str, Any]) -> dict[str, Any]:
    after = fact.get("after", {})
    return {
        "key": key,
        "done": bool(fact.get("done")),
        "why": fact.get("why", ""),
        "methods": list(fact.get("methods", ())),
        "noise_before": fact["score"],
        "noise_after": after.get("score"),
        "psnr": fact.get("psnr"),
        "ssim": fact.get("ssim"),
        **{name: fact[name] for name in ("detector", "report") if name in fact},
    }


def lines(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(noise or size, what was decided) in words, a line for each stage that took part."""
    if noise := values.get("denoise"):
        parts = [f"{noise['measured']:,} measured, {noise['suspected']:,} flagged, {noise['cleaned']:,} cleaned"]
        done = [row for row in noise["pictures"] if row["done"]]
        if done:
            before, after = (sum(row[name] for row in done) / len(done) for name in ("noise_before", "noise_after"))
            equal = sum(row["psnr"] is None for row in done)
            psnr = [row["psnr"] for row in done if row["psnr"] is not None]
            said = f", PSNR {sum(psnr) / len(psnr):.1f} dB" if psnr else ""
            said += f" ({equal:,} unchanged)" if equal else ""
            ssim = sum(row["ssim"] for row in done) / len(done)
            parts.append(f"noise score {before:.2f} to {after:.2f}{said}, SSIM {ssim:.3f} on average")
        if noise["discarded"]:
            parts.append(f"{noise['discarded']:,} left as they were because cleaning did not help")
        if noise["refused"]:
            parts.append(f"{counted(len(noise['refused']), 'picture')} not touched: marked 'no AI training'")
        yield "noise", "; ".join(parts)
    if size := values.get("upscale"):
        parts = [f"{size['enlarged']:,} enlarged"]
        if size["lowres"]:
            parts.append(f"{len(size['lowres']):,} too small, noted as lowres")
        yield "size", ", ".join(parts)


def comparisons(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(picture, path of its comparison under the ledger folder) where denoise drew one."""
    return [(row["key"], row["report"]) for row in values.get("denoise", {}).get("pictures", ()) if "report" in row]


def table_rows(values: Mapping[str, Any]) -> list[list[str]]:
    """Cells of the report's table: picture, decision, methods, noise before and after, PSNR in dB, SSIM."""
    rows: list[list[str]] = []
    for row in values.get("denoise", {}).get("pictures", ()):
        decision = "cleaned" if row["done"] else row["why"] or "only measured"
        tried = bool(row["methods"])
        level = "equal" if row["psnr"] is None else f"{row['psnr']:.1f}"
        psnr = level if tried else ""
        after = "" if row["noise_after"] is None else f"{row['noise_after']:.2f}"
        ssim = f"{row['ssim']:.3f}" if tried else ""
        rows.append([row["key"], decision, ", ".join(row["methods"]), f"{row['noise_before']:.2f}", after, psnr, ssim])
    return rows
