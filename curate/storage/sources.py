"""Stored sources: the pictures of an input in a store, for machines that do not see the copies of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from curate.core.files import digest_file
from curate.storage.address import open_location


@dataclass(frozen=True, slots=True)
class StoredSources:
    """The folders of copies, each with the address of what it is a copy of. Picklable."""

    addresses: tuple[tuple[Path, str], ...]

    def covers(self, path: str) -> bool:
        """Whether the file is in one of the folders."""
        return self._find(path) is not None

    def fetch(self, path: str, digest: str, target: Path) -> bool:
        """Gets the object that the file is a copy of; False where that cannot be had, or is not the same any more."""
        found = self._find(path)
        if found is None:
            return False
        address, name = found
        try:
            location = open_location(address)
            location.file_system.get_file(location.path(name), str(target))
            return digest_file(target) == digest
        except Exception:  # whatever it is: the driver has a copy
            return False

    def _find(self, path: str) -> tuple[str, str] | None:
        for folder, address in self.addresses:
            above = f"{folder}{os.sep}"
            if path.startswith(above):
                return address, path[len(above) :].replace(os.sep, "/")
        return None
