"""Source files: the files that pictures were made of, by what they hold, packed."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Sequence

from curate import folder
from curate.core.name_numbers import NameNumbers
from curate.core.packed import Packed


class SourceFiles:
    """The files of each digest: copies of one another are several."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """`pairs` are digests and files, in order of the files' names."""
        digests = array("q")
        self._files: Packed[str] = Packed()
        for digest, file in pairs:
            digests.append(hash(digest))
            self._files.append(file)
        self._numbers = NameNumbers(digests)

    def named(self, origin: str, key: str) -> str:
        """Of the files of a digest the one after which a picture is called; "" without any."""
        return _named([self._files[number] for number in self._numbers.all(origin)], key)


def _named(files: Sequence[str], key: str) -> str:
    end = f"/{folder.source_key(key)}"
    name = end[end.rindex("/") :]
    paths = [(file, file.replace(os.sep, "/")) for file in files]
    for wanted in (end, name):
        if found := next((file for file, path in paths if path.endswith(wanted)), ""):
            return found
    return files[-1] if files else ""
