"""Everything a run needs to go on as if it had never stopped, in files that are whole or not there."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from curate.core import files
from curate.train.network.network import Network
from curate.train.storage.picture_losses import Sums


@dataclass
class State:
    """What changes while training. Draws and rates are functions of the step and need no saving.

    step      optimizer steps done
    average   moving average of the loss
    pictures  losses of each picture so far, by its place among the job's entries: their sum, and its showings
    """

    step: int = 0
    average: float = 0.0
    pictures: Sums = field(default_factory=Sums)


def save(
    folder: Path,
    state: State,
    network: Network,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    keep: int,
) -> Path:
    """Writes `step-N.pt`, synced before it gets its name, then removes all but the newest `keep`."""
    path = folder / f"step-{state.step:08d}.pt"
    content: dict[str, Any] = {
        "state": vars(state),
        "parameters": {name: parameter.detach() for name, parameter in network.named_parameters()},
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
    }
    files.write_atomic(path, lambda work: _write(content, work))
    for old in _all(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def _write(content: dict[str, Any], work: Path) -> None:
    """Writes through a file of Python's, which says what the system said; PyTorch's own only counts bytes."""
    refused: list[OSError] = []

    class Telling(io.FileIO):
        def write(self, data: Any, /) -> int:
            view, at = memoryview(data).cast("B"), 0
            try:
                while at < len(view):
                    at += super().write(view[at:])
            except OSError as error:
                refused.append(error)
                raise
            return at

    try:
        with Telling(work, "wb") as file:
            torch.save(content, file)
    except RuntimeError as error:
        raise refused[0] if refused else error from error


def restore(folder: Path, network: Network, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> State:
    """The newest checkpoint that can be read, put into network and optimizer; a fresh state without one."""
    for path in reversed(_all(folder)):
        try:
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # a damaged file raises whatever its reader trips over; the one before serves
            continue
        saved: dict[str, torch.Tensor] = content["parameters"]
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(saved[name])
        # checkpoints of earlier versions spell it otherwise
        optimizer.load_state_dict(content["optimizer"] if "optimizer" in content else content["optimiser"])
        if content["scaler"]:
            scaler.load_state_dict(content["scaler"])
        return State(**content["state"])
    return State()


def clear(folder: Path) -> None:
    """Removes all checkpoints of a finished run."""
    for path in _all(folder):
        path.unlink(missing_ok=True)


def _all(folder: Path) -> list[Path]:
    files.remove_leftovers(folder)
    return sorted(folder.glob("step-*.pt"))
