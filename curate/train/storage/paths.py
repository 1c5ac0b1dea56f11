"""Where the trainer keeps what it knows of a prepared folder."""

from __future__ import annotations

from pathlib import Path

from curate.core.store import LEDGER, ledger_place


def home(folder: Path) -> Path:
    """Where runs, latents and logs of a prepared folder are kept: in its ledger's folder."""
    return ledger_place(folder) / LEDGER / "train"


def homes(folder: Path) -> list[Path]:
    """Where runs may be known: `home`, and the folder itself, which may have become read-only since a training."""
    return list(dict.fromkeys((home(folder), folder / LEDGER / "train")))
