"""A small network that says what a picture of the toy world shows, from its latents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.diffusion.toy.states import rate, read_state, set_rate, shuffled_rows, step_random, write_state
from curate.samples.toy_world import BACKGROUNDS, COLOURS, SUBJECTS, Scene

if TYPE_CHECKING:
    from torch import Tensor, nn

QUESTIONS: dict[str, tuple[str, ...]] = {
    "subject": tuple(SUBJECTS),
    "colour": tuple(COLOURS),
    "background": tuple(BACKGROUNDS),
}
NOISE = 0.2  # generated latents are less clean than encoded ones
BATCH = 128
LEARNING_RATE = 2e-3
JUDGE = Path(__file__).with_name("judge.safetensors")


def new_judge() -> nn.Module:
    """Four convolutions and one linear answer per choice, on latents (N, 4, 12, 12)."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    widths = (4, 48, 64, 96, 96)
    layers: list[nn.Module] = []
    for number in range(4):
        stride = 2 if number in (1, 2) else 1
        layers += [nn.Conv2d(widths[number], widths[number + 1], 3, stride, 1), nn.BatchNorm2d(widths[number + 1])]
        layers.append(nn.SiLU())
    choices = sum(len(names) for names in QUESTIONS.values())
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(widths[-1] * 9, choices))


def load_judge() -> nn.Module:
    """The judge that the package carries: it judged the weights of `toy`."""
    from safetensors.torch import load_file

    judge = new_judge()
    judge.load_state_dict(load_file(JUDGE))
    return judge.eval().requires_grad_(False)


def write_judge(judge: nn.Module, place: Path) -> None:
    """Writes a judge in half precision, whole numbers as they are."""
    from safetensors.torch import save_file

    state = judge.state_dict()
    save_file({name: value.half() if value.is_floating_point() else value for name, value in state.items()}, place)


def labels(scenes: list[Scene]) -> Tensor:
    """The right choices (N, 3); the colour is -100, which no loss counts, where the style hides it."""
    import torch

    rows = [
        [
            QUESTIONS["subject"].index(scene.subject),
            -100 if scene.colourless else QUESTIONS["colour"].index(scene.colour),
            QUESTIONS["background"].index(scene.place),
        ]
        for scene in scenes
    ]
    return torch.tensor(rows)


def train_judge(latents: Any, scenes: list[Scene], place: Path, steps: int, tell: Any = print) -> nn.Module:
    """Trains on latents of renders; goes on from `place`."""
    import torch
    from torch.nn.functional import cross_entropy

    judge = new_judge()
    optimizer = torch.optim.AdamW(judge.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    first = 0
    if state := read_state(place):
        judge.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = int(state["step"])
    right = labels(scenes)
    batch = min(BATCH, len(latents))
    for step, rows in shuffled_rows("judge", len(latents), batch, first, steps):
        set_rate(optimizer, LEARNING_RATE * rate(step, steps, 50))
        draw = step_random("judge", step)
        clean = torch.from_numpy(latents[rows]).float()
        noise = torch.from_numpy(draw.standard_normal(tuple(clean.shape), dtype=np.float32))
        answers = _answers(judge, clean + NOISE * float(draw.random()) * noise)
        losses = [cross_entropy(answer, right[rows, number]) for number, answer in enumerate(answers)]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()
        optimizer.step()
        if (step + 1) % 100 == 0 or step + 1 == steps:
            tell(f"judge step {step + 1}/{steps}: losses {', '.join(f'{loss.item():.3f}' for loss in losses)}")
            state = {"model": judge.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            write_state(place, state)
    return judge.eval().requires_grad_(False)


def _answers(judge: nn.Module, latents: Tensor) -> tuple[Tensor, ...]:
    return judge(latents).split([len(names) for names in QUESTIONS.values()], dim=1)


def verdicts(judge: nn.Module, latents: Tensor) -> Tensor:
    """What the judge sees: its choices (N, 3)."""
    import torch

    with torch.no_grad():
        return torch.stack([answer.argmax(1) for answer in _answers(judge, latents.float())], 1)


def accuracy(seen: Tensor, scenes: list[Scene]) -> dict[str, float]:
    """The share of right choices per question, over the scenes where it can be answered."""
    right = labels(scenes)
    result: dict[str, float] = {}
    for number, question in enumerate(QUESTIONS):
        counted = right[:, number] >= 0
        result[question] = float((seen[counted, number] == right[counted, number]).float().mean())
    return result
