"""A stage during which a person edits a caption of the last run."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from curate.core.events import Listener
from curate.core.record import Manifest
from curate.core.stage import DatasetStage, Env


class Slow(DatasetStage):
    """Writes into a file, as an editor would."""

    edits: str
    writes: ClassVar[frozenset[str]] = frozenset({"notes"})

    def run(self, manifest: Manifest, env: Env, tell: Listener) -> Manifest:
        Path(self.edits).write_text("edited meanwhile", encoding="utf-8")
        return manifest
