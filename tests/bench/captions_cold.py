"""Reading captions, from memory and from the disk: `python tests/bench/captions_cold.py INPUT ... [--cold]`.

For each input folder: milliseconds of processor time a caption, the program's own and the system's. With `--cold`
one of the readings comes after the system forgot all files, as it does when it has listed and hashed a million of
them before; that takes root, and slows whatever else runs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from curate import captions
from curate.core.caption_options import CaptionReading
from curate.core.garbage import rare_collections
from curate.scan import list_pictures


def _read(place: Path, *, cold: bool) -> str:
    found = list_pictures([place], lambda _: None)
    if cold:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
    before, begun = os.times(), time.perf_counter()
    result = captions.read_in_order(place.name, lambda: (one.captions for one in found), CaptionReading())
    count = sum(1 for _ in result.each) or 1
    after, wall = os.times(), time.perf_counter() - begun
    each = (1000 * seconds / count for seconds in (after.user - before.user, after.system - before.system, wall))
    return f"{count:10,} {'disk' if cold else 'memory':8}" + "".join(f"{one:10.3f}" for one in each)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", type=Path)
    parser.add_argument("--cold", action="store_true", help="also read from the disk")
    given = parser.parse_args()
    print(f"{'captions':>10} {'from':8}{'own ms':>10}{'system ms':>10}{'wall ms':>10}", flush=True)
    with rare_collections():
        for one in given.inputs:
            for is_cold in (False, False, True) if given.cold else (False, False):
                print(_read(one, cold=is_cold), flush=True)
