"""How often the noise measurement suspects clean and perturbed pictures: `python -m tests.bench.cleaners_detection`."""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from cleaners.measures.noise import signs
from tests.bench.cleaners_variants import PERTURBED, UNTOUCHED, crop, jpeg, sources


def main() -> None:
    """Prints false positives by kind and variant, then true positives by perturbation and strength."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th picture")
    parser.add_argument("--threshold", type=float, default=1.0)
    given = parser.parse_args()
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    hits: dict[tuple[str, int], list[float]] = defaultdict(list)
    for kind, name, image in sources(given.every):
        for variant, change in UNTOUCHED.items():
            scores[kind, variant].append(signs(change(image)).score)
        picture = crop(image)
        for perturbation, perturb in PERTURBED.items():
            for eps in (2, 4, 8, 16):
                perturbed = perturb(picture, eps, name)
                hits[perturbation, eps].append(signs(perturbed).score)
                hits[f"{perturbation}, jpeg 90", eps].append(signs(jpeg(perturbed, 90)).score)
    every = [score for found in scores.values() for score in found]
    suspected = np.mean(np.array(every) >= given.threshold)
    print(
        f"untouched: {len(every)} variants, suspected {suspected:.2%}, so {1 - suspected:.2%} are left bit-identical\n"
    )
    print("| kind | variant | n | suspected | median | largest |\n| --- | --- | --- | --- | --- | --- |")
    for (kind, variant), found in scores.items():
        print(
            f"| {kind} | {variant} | {len(found)} | {np.mean(np.array(found) >= given.threshold):.1%} "
            f"| {np.median(found):.2f} | {max(found):.2f} |"
        )
    print("\n| perturbation | ±2 | ±4 | ±8 | ±16 |\n| --- | --- | --- | --- | --- |")
    for perturbation in dict.fromkeys(name for name, _ in hits):
        rates = (f"{np.mean(np.array(hits[perturbation, eps]) >= given.threshold):.1%}" for eps in (2, 4, 8, 16))
        print(f"| {perturbation} | {' | '.join(rates)} |")


if __name__ == "__main__":
    main()
