"""The real command: denoise and upscale in a pipeline and on a folder, consent marks on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.images.consent.files import PROHIBITED, png_info

ROOT = Path(__file__).parents[2]


def curate(*arguments: str | Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "FORCE_COLOR"} | {
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "120",
    }
    command = [sys.executable, "-m", "curate.cli", *map(str, arguments)]
    done = subprocess.run(
        command, check=False, capture_output=True, encoding="utf-8", env=environment, cwd=ROOT, timeout=300
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def save(path: Path, eps: int, seed: int, info: PngImagePlugin.PngInfo | None = None) -> None:
    y, x = np.mgrid[:80, :100]
    picture = np.stack([60 + x, 80 + y, 190 - x - seed], -1)
    noise = np.random.default_rng(seed).choice([-eps, eps], picture.shape) if eps else 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(picture + noise, 0, 255).astype(np.uint8)).save(path, pnginfo=info)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A clean picture, a perturbed one, and a perturbed one that refuses training."""
    save(tmp_path / "raw/dog/clean.png", 0, 1)
    save(tmp_path / "raw/dog/noisy.png", 8, 2)
    save(tmp_path / "raw/dog/marked.png", 8, 3, png_info(PROHIBITED))
    return tmp_path / "raw"


def pipeline(folder: Path, raw: Path, head: str = "") -> Path:
    path = folder / "pipeline.yaml"
    stages = "  - convert\n  - denoise\n  - upscale: {model: lanczos, size: 120, by: short}\n  - export\n"
    path.write_text(f"input: {json.dumps(str(raw))}\noutput: prepared\n{head}stages:\n{stages}", encoding="utf-8")
    return path


def exported(folder: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in (folder / "prepared").rglob("*.png"):
        if ".curate" not in path.parts:
            with Image.open(path) as image:
                found[path.stem] = np.asarray(image.convert("RGB"))
    return found


def test_marked_files_never_reach_the_dataset_without_the_statement(tmp_path: Path, raw: Path):
    done = curate("run", pipeline(tmp_path, raw), "--json")
    noise = json.loads(done.stdout)["cleaning"]["denoise"]
    assert (noise["measured"], noise["suspected"], noise["cleaned"]) == (2, 1, 1)
    (row,) = noise["pictures"]
    assert row["noise_after"] < 2 < row["noise_before"]
    assert 25 < row["psnr"] < 40
    assert "2 measured, 1 flagged, 1 cleaned; noise score" in done.stderr
    pictures = exported(tmp_path)
    assert sorted(pictures) == ["clean", "noisy"]
    assert "marked" in done.stderr + done.stdout
    assert all(p.shape == (120, 150, 3) for p in pictures.values())


def test_with_the_statement_they_do_but_are_not_cleaned(tmp_path: Path, raw: Path):
    curate("run", pipeline(tmp_path, raw, "consent: i-hold-the-rights\n"))
    pictures = exported(tmp_path)
    assert sorted(pictures) == ["clean", "marked", "noisy"]
    rough = {name: float(np.abs(np.diff(p.astype(int), 2, axis=0)).mean()) for name, p in pictures.items()}
    assert rough["noisy"] < 2.5 < 4 < rough["marked"]
    with Image.open(raw / "dog/marked.png") as image:
        untouched = np.asarray(image.convert("RGB").resize((150, 120), Image.Resampling.LANCZOS))
    # through lanczos by two, then exactly to size: the noise is still the source's
    assert np.corrcoef(pictures["marked"].ravel().astype(float), untouched.ravel())[0, 1] > 0.99


def test_commands_on_folders(tmp_path: Path, raw: Path):
    done = curate("denoise", raw / "dog", "-o", tmp_path / "out", "--report")
    assert "noisy" in str(sorted(p.name for p in (tmp_path / "out").rglob("*.png"))), done.stderr
    pages = list((tmp_path / "out").rglob("denoise-report/*.png"))
    assert len(pages) == 1
    assert "before, after and difference" in done.stderr
    page = tmp_path / "page.html"
    curate("report", tmp_path / "out", "-o", page)
    refused = curate("report", tmp_path / "out", "-o", tmp_path, expect=2)
    assert "is a folder" in refused.stderr and "report.html" in refused.stderr
    text = page.read_text(encoding="utf-8")
    assert "eight times the difference" in text
    assert text.count('<section id="noise">') == 1
    assert text.count('<section id="buckets">') == 1
    assert "unknown size" not in text, "the picture that was left alone is counted by its header"
    curate("upscale", raw / "dog", "-o", tmp_path / "big", "--model", "lanczos", "--size", "200", "--by", "long")
    with Image.open(next((tmp_path / "big").rglob("clean.png"))) as image:
        assert image.size == (200, 160)
