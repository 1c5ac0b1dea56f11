"""Time and bytes read for consent marks: `python -m tests.bench.consent [FOLDER …]`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from curate.images.consent import check

DATA = Path(__file__).parents[2] / "../shared/data"


def main() -> None:
    """A line for each folder: files, marks found, microseconds each, with a warm disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[DATA / name for name in ("photos", "sprites", "hostile")]
    )
    for folder in parser.parse_args().folders:
        paths = [path for path in folder.rglob("*") if path.is_file()]
        for path in paths:
            path.read_bytes()
        begin = time.perf_counter()
        found = sum(len(check(path).marks) for path in paths)
        each = (time.perf_counter() - begin) / max(1, len(paths))
        print(f"{folder.name:<12} {len(paths):>5} files, {found} marks, {each * 1e6:.0f} µs each")


if __name__ == "__main__":
    main()
