"""How long a run goes on after SIGTERM: `python tests/bench/stop_delay.py PIPELINE [--phases list_pictures ...]`.

For each phase, a function by its name, the pipeline is run until it has been in that function for a second. Then it
gets SIGTERM. Printed are the seconds and the processor time until it has ended, and how it ended: 130 for a run that
was stopped. What a run finished is kept, so a later run comes to its phase sooner.
`tests/bench/ledger_scale.py --counts 1000000 --keep DIR` makes a folder to try it with.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

PHASES = ("add_tree", "list_pictures", "sized", "read_in_order", "publish", "write_report")
"""Comparing all files with the last run, listing, hashing, reading captions, export, report."""

WATCHED = """
import os, signal, sys, threading, time
phase, *arguments = sys.argv[1:]
main = threading.main_thread().ident

def functions():
    frame = sys._current_frames().get(main)
    while frame:
        yield frame.f_code.co_name
        frame = frame.f_back

def watch():
    since = 0.0
    while True:
        time.sleep(0.1)
        since = (since or time.time()) if phase in functions() else 0.0
        if since and time.time() - since > 1:
            print(time.time(), time.process_time(), flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            return

threading.Thread(target=watch, daemon=True).start()
from curate.cli.main import main as command
command(arguments)
"""


def measure(phase: str, pipeline: str) -> str:
    """One row: the phase, how the run ended, seconds and processor time after SIGTERM."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", WATCHED, phase, "run", "--quiet", pipeline]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    ended, after = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    if not done.stdout:
        return f"{phase:16}{done.returncode:6}  took less than a second, or was not reached"
    asked, used = map(float, done.stdout.split())
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{phase:16}{done.returncode:6}{ended - asked:10.2f}{whole - used:12.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline")
    parser.add_argument("--phases", nargs="+", default=PHASES)
    given = parser.parse_args()
    print(f"{'phase':16}{'exit':>6}{'seconds':>10}{'processor s':>12}", flush=True)
    for one in given.phases:
        print(measure(one, given.pipeline), flush=True)
