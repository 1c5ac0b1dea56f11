"""Measures rules, pruning and re-thresholding over 10,000 captions on one core: `python tests/bench/captions_rules.py`.

Targets: rules and pruning together under 3 s, re-thresholding known scores under 5 s.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from curate.core.record import Image, Record
from curate.core.scores import Scores
from curate.core.stage import Env, RecordStage, Stage
from curate.stages.captions import Captions
from curate.stages.prune import Prune
from curate.stages.tag import Tag
from curate.stages.trigger import Trigger
from taggers import implications

COUNT = 10_000


def records(count: int) -> list[Record]:
    """Captions of 12 to 40 tags, parents and children among them; 60 to 200 scores each, as a tagger's floor leaves."""
    draw = random.Random(0)
    table = implications.core("danbooru")
    words = sorted({*table.parents, *(p for ups in table.parents.values() for p in ups)})
    made: list[Record] = []
    for i in range(count):
        scored = draw.sample(words, draw.randint(60, 200))
        scores = {t: (round(draw.random() ** 2, 4), "general") for t in scored}
        tags = sorted(scored, key=lambda t, s=scores: -s[t][0])[: draw.randint(12, 40)]
        packed = Scores.pack({"wd-swinv2-tagger-v3": scores})
        image = Image(f"{i:040x}", f"{i}.png", 1024, 1024)
        made.append(Record(f"c/{i}.png", "c", str(i), image, trigger=("zwx dog",), tags=tuple(tags), scores=packed))
    return made


def seconds(stages: Sequence[Stage], rows: list[Record]) -> tuple[float, list[Record]]:
    """One stage after another over all records, keys included, without the ledger."""
    env = Env(Path(), Path(), pictures=None)  # type: ignore[arg-type]
    begun = time.perf_counter()
    for stage in stages:
        assert isinstance(stage, RecordStage)
        with stage.open(env) as worker:
            for i, record in enumerate(rows):
                json.dumps(stage.key_fields(record))
                (rows[i],) = worker([record])
    return time.perf_counter() - begun, rows


def main() -> int:
    """Prints the seconds; exits 1 where a target is missed."""
    rows = records(COUNT)
    captions = Captions(
        blacklist=("*_background", "realistic"),
        replace={"grey_hair": ("white_hair",)},
        add_if={"sketch": ("monochrome",)},
        absorb=("a",),
    )
    rules, after = seconds([captions, Prune(), Trigger()], list(rows))
    weighed, _ = seconds([captions, Prune(margin=0.4, cap=15), Trigger()], list(rows))
    again, _ = seconds([Tag(general=0.5).parts()[-1]], list(rows))
    dropped = sum(len(r.tags) for r in rows) - sum(len(r.tags) for r in after)
    print(f"rules, pruning, trigger: {rules:.2f} s for {COUNT} captions ({dropped} tags dropped); target 3 s")
    print(f"the same with margin and cap by score: {weighed:.2f} s")
    print(f"re-thresholding: {again:.2f} s; target 5 s")
    return int(rules > 3 or again > 5)


if __name__ == "__main__":
    sys.exit(main())
