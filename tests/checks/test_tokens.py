"""Token checks with CLIP's own tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.checks import read_folder
from curate.checks.settings import Settings
from curate.checks.token_checks import check
from curate.core.caption_options import CaptionReading
from curate.diffusion.text import tokenizer
from curate.train.options import TrainOptions
from tests.checks.helpers import good


@pytest.fixture
def settings(data: Path) -> Settings:
    clip = tokenizer.tokenizer(str(data / "models" / "clip_tokenizer"), Path("x"), offline=True)
    return Settings(TrainOptions(), 512, clip)


def test_a_good_folder_has_no_words_that_are_spelled(tmp_path: Path, settings: Settings) -> None:
    assert list(check(read_folder(good(tmp_path), CaptionReading()), settings)) == []


def test_words_that_clip_does_not_know(tmp_path: Path, settings: Settings) -> None:
    root = good(tmp_path)
    text = "zwx dog, xqzvwtk, 蓝色长袍, score_9, absurdres, masterpiece, (dutch angle:1.2)"
    (root / "10_zwx dog" / "a.txt").write_text(text, encoding="utf-8")
    [finding] = check(read_folder(root, CaptionReading()), settings)
    assert finding.check == "token-split"
    assert [place.detail.partition(":")[0] for place in finding.places] == ["xqzvwtk", "蓝色长袍"]


def test_the_limit_is_that_of_training(tmp_path: Path, settings: Settings) -> None:
    root = good(tmp_path)
    (root / "10_zwx dog" / "a.txt").write_text("zwx dog, " + ", ".join(["red ball"] * 26), encoding="utf-8")
    [finding] = check(read_folder(root, CaptionReading()), settings)
    assert finding.check == "tokens" and finding.pictures == ("10_zwx dog/a.png",)
    assert "--max-tokens 150" in finding.remedy
    longer = Settings(TrainOptions(max_tokens=150), 512, settings.tokenizer)
    assert list(check(read_folder(root, CaptionReading()), longer)) == []
