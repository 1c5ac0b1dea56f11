"""Files: which caption lies beside a picture."""

from __future__ import annotations

from pathlib import Path

EXTENSIONS = (".txt", ".caption")


def caption_file(picture: Path) -> Path | None:
    """The caption that lies beside a picture: `a.txt` or `a.caption`, else `a.png.txt`; None without one."""
    names = [picture.stem + e for e in EXTENSIONS] + [picture.name + e for e in EXTENSIONS]
    return next((p for p in (picture.with_name(n) for n in names) if p.is_file()), None)
