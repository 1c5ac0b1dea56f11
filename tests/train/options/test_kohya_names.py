"""kohya's names in errors: the command line and a pipeline say which option is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.cli.main import main
from curate.pipeline import PipelineError, load

NAMES = [
    *(("network_dim", "rank"), ("network_alpha", "alpha"), ("lr", "learning_rate"), ("network_module", "algo")),
    *(("train_batch_size", "batch"), ("max_train_epochs", "epochs"), ("text_encoder_lr", "text_lr")),
    *(("pretrained_model_name_or_path", "base"), ("min_snr_gamma", "min_snr"), ("lr_scheduler", "schedule")),
]


@pytest.mark.parametrize(("name", "option"), [*NAMES, ("learning_rate", "learning_rate")])
def test_the_command_line_knows_them(name: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "folder", f"--{name}", "3"])
    assert ended.value.code == 2
    written = " ".join(capsys.readouterr().err.split())
    assert f"No such option: --{name}. Here it is --{option.replace('_', '-')}." in written


def test_a_name_without_a_counterpart_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "folder", "--cache_latents"])
    assert "Leave it out: curate always does this" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("name", "option"), NAMES)
def test_a_pipeline_knows_them(name: str, option: str, tmp_path: Path) -> None:
    (tmp_path / "in/dog").mkdir(parents=True)
    path = tmp_path / "p.yaml"
    path.write_text(f"input: in\noutput: out\nstages:\n  - export\n  - train: {{base: tiny, {name}: 3}}\n")
    with pytest.raises(PipelineError, match=f'train has no option "{name}": here it is "{option}"'):
        load(path)


def test_the_option_that_became_two_names_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "folder", "--preset", "valstrix"])
    written = " ".join(capsys.readouterr().err.split())
    assert "No such option: --preset. Here it is --guide or --layer-preset." in written
    (tmp_path / "in/dog").mkdir(parents=True)
    path = tmp_path / "p.yaml"
    path.write_text("input: in\noutput: out\nstages:\n  - export\n  - train: {base: tiny, preset: valstrix}\n")
    with pytest.raises(PipelineError, match='train has no option "preset": here it is "guide" or "layer_preset"'):
        load(path)
