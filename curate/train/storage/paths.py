"""Where the trainer keeps what it knows of a prepared folder."""

from __future__ import annotations

from pathlib import Path


def home(folder: Path) -> Path:
    """Where runs, latents and digests of a prepared folder are kept."""
    return folder / ".curate" / "train"
