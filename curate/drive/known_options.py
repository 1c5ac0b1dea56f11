"""Known options: what the user left open in a command, and the ledger of the folder knows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TypeVar

from curate.core.stage import Stage
from curate.core.store import Store
from curate.folder import copy_ledger

S = TypeVar("S", bound=Stage)


def with_known_options(stage: S, source: Path) -> tuple[S, tuple[str, ...]]:
    """The stage with the options that the ledger of `source` knows, and a line for each of them; nothing is written.

    Raises InputError where the ledger does not tell enough.
    """
    if not stage.asks_ledger:
        return stage, ()
    with tempfile.TemporaryDirectory() as place:
        if not copy_ledger(source, Path(place)):
            return stage, ()
        with Store(Path(place)) as ledger:
            known = stage.known_options(ledger)
    lines = tuple(
        f"{option} {', '.join(values)}, as the ledger of {source} says; --{option} chooses another"
        for option, values in known.items()
    )
    return stage.model_copy(update=dict(known)), lines
