"""Members: the pictures and captions of one archive on their way to files, each under a name that no other has."""

from __future__ import annotations

import json
import posixpath
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from curate.captions import EXTENSIONS
from curate.core.counting import counted
from curate.core.disk_errors import disk_errors
from curate.core.files import write_atomic, write_bytes
from curate.errors import interruption
from curate.names import fold
from curate.storage.places import ignores_case, refusal

MASK = "-masklabel.png"
"""How the file beside a picture ends that is its mask."""
CAPTIONS = ("caption", "text", "txt", "prompt")
"""Names of what is a picture's caption, in tables and in the facts beside a picture."""


class Damaged(Exception):  # noqa: N818 – a state of the archive
    """An archive cannot be read any further; `member` is what it ends within, if that is known."""

    def __init__(self, reason: str, member: str = "") -> None:
        super().__init__(reason)
        self.member = member


class Members:
    """Where the samples of one archive go below `root`, and what of it could not be read.

    copied    files that are a member each
    left_out  names of members that are passed over, by the reason
    """

    def __init__(self, root: Path, archive: str, taken: set[str], stopping: Callable[[], bool]) -> None:
        """`taken` are the samples of the archives before it."""
        self.files: set[str] = set()
        self.copied: set[str] = set()
        self.keys: set[str] = set()
        self.unread: list[tuple[str, str]] = []
        self.left_out: dict[str, list[str]] = {}
        self._root, self._taken, self._stopping = root, taken, stopping
        self._same = fold if ignores_case(root) else str
        self.archive = archive
        self._above, name = posixpath.split(archive)
        self._stem = posixpath.splitext(name)[0]
        self._names: dict[str, str] = {}

    def refuse(self, name: str, reason: str) -> None:
        """Notes something that could not be read."""
        self.unread.append((name, reason))

    def leave_out(self, name: str, reason: str) -> None:
        """Notes a member that is passed over, for one message on all of that reason."""
        self.left_out.setdefault(reason, []).append(name)

    def messages(self) -> list[str]:
        """A line for each reason for which members were passed over, and one on samples that got another name."""
        lines = [
            f"{counted(len(names), 'member')} left out, {reason}: {', '.join(names[:3])}{' …' * (len(names) > 3)}"
            for reason, names in self.left_out.items()
        ]
        if others := [(key, name) for key, name in self._names.items() if name != posixpath.join(self._above, key)]:
            key, name = others[0]
            whose = "its name" if len(others) == 1 else "their names"
            what = f"{counted(len(others), 'picture')} named otherwise, since another archive has {whose}"
            lines.append(f"{what}: {key} is {name}{' …' * (len(others) > 1)}")
        return lines

    def refused(self, name: str) -> bool:
        """Whether a name is not taken; if so it is noted."""
        reason = refusal(name)
        if reason:
            self.refuse(posixpath.join(self._above, name.replace("\0", "_")), reason)
        return bool(reason)

    def key(self, key: str) -> str:
        """The name without suffix under which a sample's files are kept: its own, or one with the archive's name."""
        if key not in self._names:
            wanted, n = posixpath.join(self._above, key), 1
            name = wanted
            while self._same(name) in self._taken or self._same(name) in self.keys:
                name = f"{wanted}~{self._stem}" + (f"~{n}" if n > 1 else "")
                n += 1
            self._names[key] = name
            self.keys.add(self._same(name))
        return self._names[key]

    def copy(self, name: str, source: IO[bytes], size: int) -> None:
        """Writes a member to its file. Raises Damaged where the archive ends within it."""

        def write(temporary: Path) -> None:
            with temporary.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                if target.tell() != size:
                    raise Damaged(f"it ends within {name}")

        self._ready(name)
        write_atomic(self._root / name, write, sync=False)
        self.files.add(name)
        self.copied.add(name)

    def write(self, name: str, data: bytes) -> None:
        """Writes a picture or a caption."""
        self._ready(name)
        write_bytes(self._root / name, data, sync=False)
        self.files.add(name)

    def caption(self, key: str, facts: Any) -> None:
        """Writes the caption that is among the facts of a sample, unless it has a caption file."""
        text = caption_of(facts) if isinstance(facts, dict) else ""
        if text and not any(f"{key}{end}" in self.files for end in EXTENSIONS):
            self.write(f"{key}{EXTENSIONS[0]}", text.encode())

    def _ready(self, name: str) -> None:
        if self._stopping():
            raise interruption()
        place = (self._root / name).parent
        if not place.is_dir():
            with disk_errors(str(place)):
                place.mkdir(parents=True, exist_ok=True)


def caption_of(facts: dict[str, Any]) -> str:
    """The caption among the facts of a sample; "" where there is none."""
    folded = {str(name).casefold(): value for name, value in facts.items()}
    return next((folded[name] for name in CAPTIONS if isinstance(folded.get(name), str)), "").strip()


def facts_of(data: bytes) -> Any:
    """What a member of JSON says; None where it is none."""
    try:
        return json.loads(data)
    except ValueError:
        return None
