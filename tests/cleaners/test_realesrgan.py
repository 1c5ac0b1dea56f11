"""Real-ESRGAN's own program against spandrel on the same weights; needs the extra realesrgan."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cleaners.errors import BadModelError, MissingModelError
from cleaners.upscale import Upscale

INSTALLED = importlib.util.find_spec("realesrgan") is not None
needed = pytest.mark.skipif(not INSTALLED, reason="realesrgan is not installed")


@pytest.mark.skipif(INSTALLED, reason="realesrgan is installed")
def test_not_installed_is_said(weights: Path):
    with (
        pytest.raises(MissingModelError, match="realesrgan cannot be imported"),
        Upscale(str(weights), engine="realesrgan").open("cpu"),
    ):
        pass


def save(path: Path, kind: str) -> Path:
    """Seeded weights of the published architectures, smaller."""
    torch.manual_seed(0)
    if kind == "compact":
        from realesrgan.archs.srvgg_arch import SRVGGNetCompact

        network = SRVGGNetCompact(num_feat=16, num_conv=4, upscale=4, act_type="prelu")
        torch.save({"params": network.state_dict()}, path)
    else:
        from basicsr.archs.rrdbnet_arch import RRDBNet

        network = RRDBNet(3, 3, scale=int(kind[-1]), num_feat=16, num_block=2, num_grow_ch=32)
        torch.save({"params_ema": network.state_dict()}, path)
    return path


@needed
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["x4", "x2", "compact"])
@pytest.mark.parametrize("shape", [(40, 56), (33, 47)])
def test_equals_spandrel(tmp_path: Path, picture, kind: str, shape: tuple[int, int]):
    with Upscale("lanczos").open("cpu"):
        pass
    from cleaners.upscalers.realesrgan_engine import _old_name

    with _old_name():
        path = save(tmp_path / "a.pth", kind)
    assert "torchvision.transforms.functional_tensor" not in sys.modules
    found = []
    for engine in ("spandrel", "realesrgan"):
        with Upscale(str(path), engine=engine).open("cpu") as enlarge:
            found.append(enlarge(picture(*shape)).astype(int))
    assert found[0].std() > 1
    difference = np.abs(found[0] - found[1])
    if kind == "x2" and shape[0] % 2:
        # the two pad odd sides differently for the network that folds pixels by two: what is near them differs
        difference = difference[:-16, :-16]
    assert difference.max() <= 1


@needed
@pytest.mark.filterwarnings("ignore")
def test_other_layouts_are_refused(tmp_path: Path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "a.pth")
    torch.save({"params": torch.nn.Linear(2, 2).state_dict()}, tmp_path / "b.pth")
    for name in ("a.pth", "b.pth"):
        with pytest.raises(BadModelError), Upscale(str(tmp_path / name), engine="realesrgan").open("cpu"):
            pass
