"""Archive entries: what stands in an archive of a prepared folder, and from which samples that is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

Entry = tuple[str, Path | bytes]
"""A name in an archive, and the file or the bytes that stand there."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture of the prepared folder by its path there, its caption, and what else a shard says of it."""

    path: PurePosixPath
    caption: str
    caption_suffix: str
    facts: Mapping[str, Any]
