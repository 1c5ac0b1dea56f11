"""What LoRAs learn on the base `toy`, by settings: python tests/bench/learning.py [ROW …] [--seeds N] [--faults].

Each row trains on six pictures of a subject that the base never saw, and is drawn on seeds of its own. Values are
means over the seeds, ± half of their range. The columns are explained at `Learned` in tests/learning/trials.py.
Regularization pictures are used unless the row says otherwise. The rows `two` have two concepts in one LoRA: fidelity
of the first, and in the column `leakage` how often either shows the other. With --faults the rows are trainings with a
deliberate fault, each beside the same one without it.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from curate.lora.file import open_lora
from curate.lora.recipes import Recipe
from curate.lora.resize import resize
from curate.lora.weights import Weighted
from tests.learning import faults
from tests.learning.trials import BIRD, CUP, KNOWN, Subject, confusion, measure, train, write_concept

ROWS: dict[str, dict[str, Any]] = {
    "lora 16": {},
    "lora 4": {"rank": 4},
    "lora 64": {"rank": 64},
    "locon 16": {"algo": "locon"},
    "loha 8": {"algo": "loha", "rank": 8, "learning_rate": 4e-3},
    "lokr 8": {"algo": "lokr", "factor": 8, "rank": None, "learning_rate": 1e-2},
    "lokr 4": {"algo": "lokr", "factor": 4, "rank": None, "learning_rate": 5e-3},
    "no regularization": {"reg_folder": ""},
    "text encoder off": {"text_lr": 0},
    "caption dropout 0.2": {"caption_dropout": 0.2},
    "min-SNR 5": {"min_snr": 5},
    "100 steps": {"steps": 100},
}
"""Options of each row, beside those of `trials.GENTLE`."""
TEXT = {"steps": 150, "unet_lr": 0, "text_lr": 4e-3}
Values = dict[str, float]


def learn(concept: Subject, seed: int, options: dict[str, Any], change: Callable[[Path], object] = str) -> Path:
    """Trains on six pictures that `change` may spoil; the LoRA's path."""
    folder = Path(tempfile.mkdtemp(prefix="learning-"))
    write_concept(folder, concept, 900_000 + 100 * seed)
    change(folder)
    return train(folder, seed=seed, **options)


def values(concept: Subject, lora: Path, seed: int) -> Values:
    """What its samples show."""
    return {**dataclasses.asdict(measure(concept, lora, seed)), "kB": lora.stat().st_size / 1000}


def row(options: dict[str, Any], seed: int) -> Values:
    """One concept, learned and measured."""
    begun = time.perf_counter()
    lora = learn(BIRD, seed, options)
    spent = time.perf_counter() - begun
    return {**values(BIRD, lora, seed), "seconds": spent}


def two(seed: int, change: Callable[[Path], object] = str) -> Values:
    """Two concepts in one LoRA."""
    folder = Path(tempfile.mkdtemp(prefix="learning-"))
    for concept in (BIRD, CUP):
        write_concept(folder, concept, 900_000 + 100 * seed)
    change(folder)
    found = confusion((BIRD, CUP), train(folder, seed=seed, steps=400), seed)
    own = [found[one.trigger][one.trigger] for one in (BIRD, CUP)]
    crossed = [found[BIRD.trigger][CUP.trigger], found[CUP.trigger][BIRD.trigger]]
    return {"fidelity": min(own), "leakage": max(crossed)}


def resized(seed: int, lora: Path) -> dict[str, Values]:
    """The LoRA and smaller ones made of it."""
    found: dict[str, Values] = {"as trained": values(BIRD, lora, seed)}
    for rank in (8, 4, 2, 1):
        place = lora.with_name(f"rank {rank}.safetensors")
        [made] = resize([Weighted(open_lora(str(lora)))], [Recipe(str(rank), rank=rank)], [place])
        found[f"resized to rank {rank}"] = values(BIRD, made.path, seed)
    return found


def with_sign(seed: int) -> Values:
    """The loss with a target of the wrong sign."""
    with faults.wrong_sign():
        return values(BIRD, learn(BIRD, seed, {}), seed)


def text(seed: int, cut: bool) -> Values:
    """The text encoder alone, with and without its gradients."""
    with faults.no_text_gradients() if cut else contextlib.nullcontext():
        return values(KNOWN, learn(KNOWN, seed, TEXT), seed)


FAULTS: dict[str, Callable[[int], Values]] = {
    "lora 16": lambda seed: row({}, seed),
    "wrong sign of the target": with_sign,
    "alpha / 16 in the file": lambda seed: values(BIRD, faults.wrong_alpha(learn(BIRD, seed, {})), seed),
    "two": two,
    "two, captions shuffled": lambda seed: two(seed, faults.shuffle_captions),
    "text encoder alone": lambda seed: text(seed, cut=False),
    "text encoder alone, its gradients cut": lambda seed: text(seed, cut=True),
}
COLUMNS = ("fidelity", "way", "flexibility", "unseen", "leakage", "kept", "kept_colour", "diversity", "kB", "seconds")


def show(name: str, found: Sequence[Values]) -> None:
    """Prints a row."""
    cells = [f"{name:<38}"]
    for column in COLUMNS:
        numbers = [one[column] for one in found if column in one]
        digits = 0 if column in ("kB", "seconds") else 2
        spread = f"±{(max(numbers) - min(numbers)) / 2:.{digits}f}" if len(numbers) > 1 else ""
        cells.append(f"{sum(numbers) / len(numbers):.{digits}f}{spread}".rjust(13) if numbers else " " * 13)
    print("".join(cells), flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", help=f"of {', '.join([*ROWS, 'two', 'resize'])}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--faults", action="store_true")
    given = parser.parse_args()
    seeds = range(given.seeds)
    torch.set_num_threads(1)
    print(" " * 38 + "".join(f"{column:>13}" for column in COLUMNS), flush=True)
    if given.faults:
        for name in given.rows or FAULTS:
            show(name, [FAULTS[name](seed) for seed in seeds])
        return
    for name in given.rows or [*ROWS, "two", "resize"]:
        if name == "resize":
            many = [resized(seed, learn(BIRD, seed, {})) for seed in seeds]
            for label in many[0]:
                show(label, [one[label] for one in many])
        else:
            show(name, [two(seed) if name == "two" else row(ROWS[name], seed) for seed in seeds])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
