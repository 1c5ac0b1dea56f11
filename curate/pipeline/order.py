"""Order: which stages must come before which, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.pipeline.reader import Reader

ORDER: tuple[tuple[str, str, str], ...] = (
    ("tag", "captions", "the rules need the tags"),
    ("tag", "prune", "pruning needs the tags"),
    ("tag", "trigger", "tagging replaces the tags, and the trigger words with them"),
    ("captions", "prune", "a black-listed tag must be gone before it takes the tags it implies with it"),
    ("captions", "trigger", "the rules would run on the trigger words"),
    ("prune", "trigger", "trigger words come last, so that nothing reorders or drops them"),
    ("dedupe", "balance", "duplicates would be counted"),
    ("balance", "export", "the folder names hold the repeats"),
    ("export", "train", "training reads the prepared folder"),
    ("train", "evaluate", "evaluate scores the LoRA that was trained"),
    ("train", "sample", "sample draws with the LoRA that was trained"),
)
"""(earlier, later, why): a pipeline that has both the other way round is refused."""


def check_order(
    reader: Reader, names: Sequence[tuple[int, str]], options: Mapping[int, Mapping[str, Any] | None]
) -> None:
    """Notes every pair of stages that stands the wrong way round, stages that export would not reach, and missing ones.

    names, options   of the stages as they are written, by their place in the file
    """
    places: dict[str, list[int]] = {}
    for i, name in names:
        places.setdefault(name, []).append(i)
    for earlier, later, why in ORDER:
        if earlier in places and later in places and max(places[earlier]) > min(places[later]):
            reader.problem(
                ("stages", min(places[later])), f'"{later}" is before "{earlier}": {why}; put {earlier} first'
            )
    if "train" in places and "export" not in places:
        reader.problem(
            ("stages", places["train"][0]),
            '"train" without "export": training reads the prepared folder; put export before it',
        )
    if "sample" in places and "train" not in places:
        reader.problem(
            ("stages", places["sample"][0]),
            '"sample" without "train": it draws with the LoRA that was trained; put train before it',
        )
    if "evaluate" in places and "train" not in places:
        for i in places["evaluate"]:
            if not (options.get(i) or {}).get("lora"):
                reader.problem(
                    ("stages", i),
                    '"evaluate" without "train": it scores the LoRA that was trained; put train before it, or name '
                    "LoRA files: evaluate: {lora: [FILE]}",
                )
    if "export" in places:
        for i, name in names:
            if i > min(places["export"]) and name not in ("export", "train", "sample", "evaluate", "report"):
                reader.problem(("stages", i), f'"{name}" is after "export": it would not change the prepared folder')
