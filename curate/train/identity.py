"""Which run a folder and options make: known without loading a model, so that a rerun is quick."""

from __future__ import annotations

from pathlib import Path

from curate.train import ledger
from curate.train.base import base_digest
from curate.train.dataset import Dataset, read_dataset
from curate.train.digests import Known
from curate.train.options import TrainOptions


def identify(
    options: TrainOptions, folder: Path, offline: bool, left_out: frozenset[Path] = frozenset()
) -> tuple[ledger.Run, Dataset]:
    """The run that these options and the folder's present content make, as far as it came, and that content."""
    known = Known(ledger.home(folder) / "digests.json")
    data = read_dataset(folder, options.caption_extension, known, left_out=left_out)
    run = ledger.Run.of(folder, ledger.run_id(options, data.digest, base_digest(options.base, offline, known)))
    known.save()
    return run, data
