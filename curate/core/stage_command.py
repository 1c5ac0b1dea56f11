"""Stage command: what a stage says of the command that it is, beside its options: help, folders, what is printed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from curate.core.env import Env
from curate.core.findings import Findings
from curate.core.options import Options
from curate.core.record import Manifest
from curate.core.store import Store


class StageCommand(Options):
    """A stage as a command over a folder."""

    layout: ClassVar[Literal["same", "repeats"]] = "same"
    """Where the stage's command puts pictures: where they were, or in `N_trigger` folders."""
    read_only: ClassVar[bool] = False
    """Whether the stage's command only reads FOLDER and prints `findings`: it writes nothing."""
    usual: ClassVar[frozenset[str]] = frozenset()
    """Options on the short help page of a stage that has many; empty: all of them."""
    prints_config: ClassVar[bool] = False
    """Whether the stage's command takes `--print-config`, which prints `configuration`."""

    @classmethod
    def help_text(cls) -> str:
        """What the help page of the stage's command says: its docstring, unless a stage derives a part of it."""
        return (cls.__doc__ or "").strip()

    @classmethod
    def panel(cls, option: str) -> str | None:
        """The heading under which help lists an option; None for the plain one."""
        return None

    @property
    def asks_ledger(self) -> bool:
        """Whether the user left an option open that the ledger of a prepared folder may know; see `known_options`."""
        return False

    def known_options(self, ledger: Store) -> Mapping[str, Sequence[str]]:
        """Values of such options, by the ledger of the folder that the stage's command works on.

        Raises InputError where the ledger does not tell enough.
        """
        return {}

    def check_source(self, source: Path) -> None:
        """Raises InputError for a folder that the stage's command cannot work on; asked before anything is written."""

    def configuration(self, source: Path, explicit: Collection[str], device: str) -> Findings:
        """Every effective option, where it came from and what it comes to. The user wrote the `explicit` ones.

        Asked where `prints_config` is set. Raises InputError.
        """
        raise NotImplementedError(f"{type(self).__name__} sets prints_config and has no configuration")

    @classmethod
    def counterpart(cls, name: str) -> tuple[str, str]:
        """The option that another program calls by a name, and why there is none: one of the two is empty, or both.

        Where a name means one of several options, " or " joins them.
        """
        return "", ""

    def findings(self, manifest: Manifest, env: Env) -> Findings | None:
        """What the stage's command prints on stdout about the records it made; nothing unless a stage overrides it."""
        return None
