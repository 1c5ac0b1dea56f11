"""`curate run --review`: the run waits after export, takes up what the person changed, and trains."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.conftest import STAGES, Curate, Start, pipeline

TRAIN = STAGES + "  - train: {base: tiny, algo: lora, rank: 1, steps: 2}\n"
CAPTION = "1_zwx dog/0.txt"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


class Page:
    """What the page asks the server of a waiting run."""

    def __init__(self, said: Path, process: Any) -> None:
        """Waits for the address that the run prints."""
        for _ in range(6000):
            text = said.read_text(encoding="utf-8") if said.exists() else ""
            found = re.search(r"at (http://\S+)/\?token=(\S+)\n.*\n", text)
            if found:
                self.at, self.token = found.groups()
                return
            assert process.poll() is None, text
            time.sleep(0.05)
        raise AssertionError("the run printed no address")

    def post(self, path: str, **values: Any) -> Any:
        headers = {"X-Curate-Token": self.token, "Content-Type": "application/json", "Origin": self.at}
        request = urllib.request.Request(f"{self.at}{path}", json.dumps(values).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read())


def test_the_run_goes_on_with_what_was_changed(tmp_path: Path, raw: Path, start: Start) -> None:
    file, output = pipeline(tmp_path, raw, stages=TRAIN), tmp_path / "prepared"
    process = start("run", file, "--review", "--no-browser", cwd=tmp_path, out=tmp_path / "said")
    page = Page(tmp_path / "said.err", process)
    said = (tmp_path / "said.err").read_text(encoding="utf-8")
    assert "the run waits" in said and "next" not in said.lower()
    assert not list(output.glob("**/*.safetensors"))

    id = CAPTION.replace(".txt", ".png")
    page.post("/api/edit", ids=[id], operation="add", tags=["my own words"])
    page.post("/api/transform", id=id, crop=None, rotate=90, flip=False)
    page.post("/api/concept", ids=["1_zwx dog/3.png"], concept="blue robe")
    page.post("/api/continue")
    assert process.wait() == 0, (tmp_path / "said.err").read_text(encoding="utf-8")
    assert "my own words" in (output / CAPTION).read_text(encoding="utf-8")
    with Image.open(output / id) as picture:
        assert picture.size == (43, 64)
    assert list(output.glob("*_blue robe/3.png")) and not (output / "1_zwx dog/3.png").exists()
    assert list(output.glob("**/*.safetensors"))
    with pytest.raises(urllib.error.URLError):
        page.post("/api/continue")


def test_ctrl_c_stops_before_the_training(tmp_path: Path, raw: Path, start: Start, curate: Curate) -> None:
    file, output = pipeline(tmp_path, raw, stages=TRAIN), tmp_path / "prepared"
    process = start("run", file, "--review", "--no-browser", cwd=tmp_path, out=tmp_path / "said")
    page = Page(tmp_path / "said.err", process)
    page.post("/api/edit", ids=["1_zwx dog/0.png"], operation="add", tags=["my own words"])
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    said = (tmp_path / "said.err").read_text(encoding="utf-8")
    assert "stopped before you accepted the dataset" in said and "Traceback" not in said
    assert not list(output.glob("**/*.safetensors"))
    curate("run", file, "--until", "export")
    assert "my own words" in (output / CAPTION).read_text(encoding="utf-8")


def test_options_that_do_not_fit_are_refused(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file = pipeline(tmp_path, raw)
    for options, word in (
        (["--port", "8000"], "--review"),
        (["--no-browser"], "--review"),
        (["--review", "--until", "resize"], "export"),
    ):
        assert word in curate("run", file, *options, code=2).stderr
    assert not (tmp_path / "prepared").exists()


def test_what_the_training_lacks_is_told_before_the_first_picture(tmp_path: Path, raw: Path, curate: Curate) -> None:
    file = pipeline(tmp_path, raw, stages=STAGES + "  - train: {base: ./no-such-model, steps: 2}\n")
    assert "no-such-model" in curate("run", file, "--review", "--no-browser", code=2).stderr
    assert not list((tmp_path / "prepared").glob("*/*.png"))
