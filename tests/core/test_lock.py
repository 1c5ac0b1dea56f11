"""The lock: one run on a folder, a second is told who holds it, a killed one holds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from curate.core.lock import run_lock
from curate.errors import LockedError

HOLD = """
import sys, time
from pathlib import Path
from curate.core.lock import run_lock
sys.argv = ["curate", "run", "pipeline.yaml"]
with run_lock(Path({folder!r})):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_learns_who_holds_it(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD.format(folder=str(tmp_path))], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == b"held"
    with pytest.raises(LockedError) as told, run_lock(tmp_path):
        pass
    assert f"process {holder.pid}" in str(told.value)
    assert "curate run pipeline.yaml" in str(told.value)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with run_lock(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".curate/lock.json").read_text()
    assert not (tmp_path / ".curate/lock.json").exists()


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path):
        raise ZeroDivisionError
    with run_lock(tmp_path):
        pass
