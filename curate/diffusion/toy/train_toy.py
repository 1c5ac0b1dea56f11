"""Makes the base `toy` from nothing: `python -m curate.diffusion.toy.train_toy FOLDER`. A killed run goes on.

Stages: pictures, autoencoder, latents, judge, network, measures. FOLDER/weights is what the package carries.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.diffusion.diffusers_folder import write_json, write_models
from curate.diffusion.library_logging import quiet
from curate.diffusion.text import byte_bpe
from curate.diffusion.toy.autoencoder import AutoencoderRun, decibels, train_autoencoder
from curate.diffusion.toy.data import pixels, scenes, vocabulary_words
from curate.diffusion.toy.judge import accuracy, train_judge, verdicts, write_judge
from curate.diffusion.toy.measures import measure
from curate.diffusion.toy.network import SCHEDULER, Network, NetworkRun, encode_pixels, train_network
from curate.errors import CurateError
from curate.samples.toy_world import UNLEARNED, Scene

if TYPE_CHECKING:
    from torch import nn

LEAST_DECIBELS = 23.0
LEAST_ACCURACY = 0.95


@dataclass(frozen=True, slots=True)
class Budget:
    """How many pictures, and how long each part trains."""

    scenes: int = 20000
    learned: int = 12000  # pictures that the network sees
    judged: int = 256
    autoencoder: AutoencoderRun = field(default_factory=AutoencoderRun)
    network: NetworkRun = field(default_factory=NetworkRun)
    judge_steps: int = 600
    strict: bool = True  # stop where a part is too poor for the next


def train_toy(folder: Path, budget: Budget, tell: Callable[[str], None]) -> dict[str, Any]:
    """Runs every stage that `folder` does not hold yet, and returns what was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = scenes(budget.scenes)
    all_pixels = pixels(folder / "network.npy", drawn)
    vae, measured = _autoencoder(folder, budget, tell)
    shown = drawn[: budget.learned]
    latents = encode_pixels(vae, all_pixels[: budget.learned], folder / "latents.npy")
    judge = _judge(folder, vae, latents, shown, budget, measured, tell)
    network = train_network(tokenizer(folder), latents, shown, folder / "network.pt", budget.network, tell)
    network.use_averages()
    asked = scenes(budget.judged, 8_000_000, hold=True)
    for seed in range(3 if budget.strict else 1):
        measured[f"samples, seed {seed}"] = measure(network, judge, asked, seed)
        tell(f"samples, seed {seed}: {measured[f'samples, seed {seed}']}")
    write_weights(folder / "weights", vae, network)
    write_judge(judge, folder / "judge.safetensors")
    write_json(folder / "measures.json", measured)
    return measured


def _autoencoder(folder: Path, budget: Budget, tell: Callable[[str], None]) -> tuple[Any, dict[str, Any]]:
    part = budget.scenes // 40
    sources: list[Scene | int] = [
        *scenes(6 * part, 5_000_000),
        *scenes(3 * part, 6_000_000, UNLEARNED),
        *range(3 * part),
    ]
    seen = pixels(folder / "autoencoder.npy", sources)
    vae = train_autoencoder(seen, folder / "autoencoder.pt", budget.autoencoder, tell)
    reached = decibels(vae, _validation(folder, budget)[1])
    tell(f"autoencoder: {reached:.2f} dB on pictures held out, scaling factor {vae.config.scaling_factor}")
    if budget.strict and reached < LEAST_DECIBELS:
        raise CurateError(f"the autoencoder reaches {reached:.1f} dB, and {LEAST_DECIBELS} are needed", "train longer")
    return vae, {"autoencoder decibels": reached}


def _validation(folder: Path, budget: Budget) -> tuple[list[Scene], Any]:
    held = scenes(budget.judged, 7_000_000, hold=True)
    return held, pixels(folder / "validation.npy", list(held))


def _judge(
    folder: Path, vae: Any, latents: Any, shown: list[Scene], budget: Budget, measured: dict[str, Any], tell: Any
) -> nn.Module:
    others = scenes(budget.learned // 2, 9_000_000, UNLEARNED)
    more = encode_pixels(vae, pixels(folder / "others.npy", list(others)), folder / "others_latents.npy")
    every = np.concatenate([latents, more])
    judge = train_judge(every, [*shown, *others], folder / "judge.pt", budget.judge_steps, tell)
    held, held_pixels = _validation(folder, budget)
    unlearned = scenes(budget.judged // 2, 9_500_000, UNLEARNED, hold=True)
    rest_pixels = pixels(folder / "validation_others.npy", list(unlearned))
    some = np.concatenate(
        [
            encode_pixels(vae, held_pixels, folder / "validation_latents.npy"),
            encode_pixels(vae, rest_pixels, folder / "validation_others_latents.npy"),
        ]
    )
    held = [*held, *unlearned]
    import torch

    reached = accuracy(verdicts(judge, torch.from_numpy(some)), held)
    tell(f"judge on renders held out: {reached}")
    if budget.strict and min(reached.values()) < LEAST_ACCURACY:
        raise CurateError(f"the judge is right in {min(reached.values()):.0%} only", "train it longer")
    measured["judge on renders held out"] = reached
    return judge


def tokenizer(folder: Path) -> Any:
    """The tokenizer, written to FOLDER/weights where it is missing."""
    from transformers import CLIPTokenizer

    place = folder / "weights" / "tokenizer"
    if not (place / "tokenizer_config.json").exists():
        byte_bpe.write(place, vocabulary_words())
    with quiet():
        return CLIPTokenizer.from_pretrained(place, local_files_only=True)


def write_weights(place: Path, vae: Any, network: Network) -> None:
    """Writes the model as a diffusers folder in half precision."""
    models = network.models
    write_models(place, models["unet"].half(), models["text_encoder"].half(), vae.half(), SCHEDULER)
    for model in (*models.values(), vae):
        model.float()


def main() -> None:
    """The command."""
    import torch

    from curate.diffusion.device import reproducible

    started = time.monotonic()
    budget = Budget()

    def tell(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:8.0f} s  {line}\n")
        sys.stdout.flush()

    with reproducible(torch.device("cpu"), parameters=0):
        train_toy(Path(sys.argv[1]), budget, tell)


if __name__ == "__main__":
    main()
