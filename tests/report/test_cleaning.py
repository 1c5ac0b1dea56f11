"""What denoise and upscale decided stands in the summary and on the page, with its numbers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from curate.core.record import Image, Manifest, Record
from curate.report import cleaning
from curate.report.html import Page, render
from curate.report.summary import summarise
from curate.report.tally import Tally
from tests.report.streams import printed


def record(name: str, **facts: Any) -> Record:
    return Record(f"dog/{name}.png", "dog", name, Image(name, "", 64, 64), facts=facts)


def tried(**changed: Any) -> dict[str, Any]:
    fact = {"done": True, "suspected": True, "score": 4.0, "methods": ["adverse"], "after": {"score": 0.5}}
    return fact | {"psnr": 36.0, "ssim": 0.95} | changed


ROWS = Manifest(
    [
        record("calm", denoise={"done": False, "suspected": False, "score": 0.1}),
        record("noisy", denoise=tried(), upscaled={"model": "lanczos", "from": [64, 64], "to": [128, 128]}),
        record("rough", denoise=tried(done=False, score=2.0, why="it changed <b>much</b>", detector=0.75)),
        record("equal", denoise=tried(psnr=None, ssim=1.0, score=2.0)),
        record("marked", denoise={"done": False, "why": "consent"}, lowres=True),
    ]
)


def test_figures_count_and_name() -> None:
    found = cleaning.figures(ROWS)
    assert json.loads(json.dumps(found)) == found
    noise = found["denoise"]
    counts = {name: noise[name] for name in ("measured", "suspected", "cleaned", "discarded", "refused")}
    assert counts == {"measured": 4, "suspected": 3, "cleaned": 2, "discarded": 1, "refused": ["dog/marked.png"]}
    assert [row["key"] for row in noise["pictures"]] == ["dog/noisy.png", "dog/rough.png", "dog/equal.png"]
    assert noise["pictures"][0] == {
        "key": "dog/noisy.png",
        "done": True,
        "why": "",
        "methods": ["adverse"],
        "noise_before": 4.0,
        "noise_after": 0.5,
        "psnr": 36.0,
        "ssim": 0.95,
    }
    assert noise["pictures"][1]["detector"] == 0.75
    assert found["upscale"]["lowres"] == ["dog/marked.png"]
    assert found["upscale"]["pictures"] == [
        {"key": "dog/noisy.png", "model": "lanczos", "from": [64, 64], "to": [128, 128]},
    ]


def test_pictures_set_aside_and_runs_without_these_stages() -> None:
    assert cleaning.figures([record("a")]) == {}
    assert cleaning.figures([dataclasses.replace(record("a", denoise=tried()), aside="a copy")]) == {}
    assert list(cleaning.lines({})) == []


def test_the_summary_says_it_in_two_lines() -> None:
    text = printed(summarise(Tally(), ROWS, {"folder": Path("prepared")}))
    (noise,) = [line for line in text if line.startswith("  noise")]
    assert "4 measured, 3 flagged, 2 cleaned; noise score 3.00 to 0.50, PSNR 36.0 dB (1 unchanged), SSIM 0.975" in noise
    assert "1 left as they were" in noise
    assert "1 picture not touched: marked 'no AI training'" in noise
    (size,) = [line for line in text if line.startswith("  size")]
    assert size.endswith("1 enlarged, 1 too small, noted as lowres")


def test_the_page_has_a_row_for_each_decision() -> None:
    page = render(Page(ROWS, summarise(Tally(), ROWS, {}), lambda _: None))
    assert '<section id="noise">' in page
    assert "it changed &lt;b&gt;much&lt;/b&gt;" in page
    for cell in ("4.00", "0.50", "36.0", "0.950", "equal", "adverse"):
        assert f"{cell}</td>" in page
    nothing = Manifest([record("a")])
    assert 'id="noise"' not in render(Page(nothing, summarise(Tally(), nothing, {}), lambda _: None))
