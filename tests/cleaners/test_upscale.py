"""Upscaling with real architectures, weights files of every kind, and what is refused."""

import io
import logging
import os
import pickle
import struct
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from cleaners.errors import BadModelError, CleanerError, MissingModelError, UnknownModelError
from cleaners.upscale import Upscale
from cleaners.upscalers import catalogue
from cleaners.upscalers.torch_network import Precision, number_format
from cleaners.upscalers.weights import read_weights
from tests.cleaners.conftest import esrgan


def run(model: str | Path, picture: np.ndarray, **options) -> np.ndarray:
    with Upscale(str(model), **options).open("cpu") as enlarge:
        return enlarge(picture)


def plain(picture: np.ndarray) -> np.ndarray:
    """The whole picture through the network at once, by torch alone."""
    with torch.no_grad():
        found = esrgan()(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)
    return found[0].clamp(0, 1).permute(1, 2, 0).mul(255).round().byte().numpy()


def test_equals_torch_alone(weights: Path, picture):
    found = run(weights, picture(60, 70))
    assert found.shape == (240, 280, 3)
    assert found.dtype == np.uint8
    assert found.std() > 5
    assert np.abs(found.astype(int) - plain(picture(60, 70))).max() <= 1


@pytest.mark.parametrize("tile", [112])
def test_tiles_equal_the_whole(weights: Path, picture, tile: int):
    small = picture(120, 170)
    assert np.abs(run(weights, small, tile=tile).astype(int) - plain(small)).max() <= 1


def test_safetensors_and_bare_state_dicts(tmp_path: Path, picture):
    from safetensors.torch import save_file

    state = esrgan().state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pth")
    torch.save({"params": state}, tmp_path / "c.pt", _use_new_zipfile_serialization=False)
    for name in ("a.safetensors", "b.pth", "c.pt"):
        assert np.array_equal(run(tmp_path / name, picture(32, 40)), run(tmp_path / "a.safetensors", picture(32, 40)))


def test_factor_sets_the_exact_size(weights: Path, picture):
    assert run(weights, picture(33, 47), factor=1.5).shape == (50, 70, 3)
    assert run("lanczos", picture(33, 47), factor=0.5).shape == (16, 24, 3)


def test_lanczos_is_pillows(picture):
    small = picture(30, 40)
    assert np.array_equal(
        run("lanczos", small), np.asarray(Image.fromarray(small).resize((80, 60), Image.Resampling.LANCZOS))
    )


def test_grey_and_transparent_pictures(weights: Path, picture):
    grey = picture(40, 40)[..., 0]
    assert run(weights, grey).shape == (160, 160)
    assert run("lanczos", np.full((9, 9), 130, np.uint8)).tolist() == np.full((18, 18), 130).tolist()
    clear = np.zeros((40, 40, 4), np.uint8)
    clear[..., :3] = (0, 255, 0)
    clear[10:30, 10:30] = (200, 20, 30, 255)
    found = run("lanczos", clear)
    assert found.shape == (80, 80, 4)
    assert found[40, 40].tolist() == [200, 20, 30, 255]
    assert found[2, 2, 3] == 0
    visible = found[found[..., 3] > 0]
    assert visible[:, 1].max() <= 21, "the green under the transparent part must not shine through"


def graph(path: Path, scale: int = 2, side: int | str = "side", half: bool = False, count: int | str = 1) -> None:
    kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    big = side * scale if isinstance(side, int) else "big"
    sizes = onnx.helper.make_tensor("sizes", onnx.TensorProto.FLOAT, [4], [1, 1, scale, scale])
    node = onnx.helper.make_node(
        "Resize",
        ["in", "", "sizes"],
        ["out"],
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    entry = onnx.helper.make_tensor_value_info("in", kind, [count, 3, side, side])
    out = onnx.helper.make_tensor_value_info("out", kind, [count, 3, big, big])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "up", [entry], [out], [sizes]),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.save(model, path)


@pytest.mark.parametrize("options", [{}, {"scale": 3}, {"half": True}, {"side": 64}, {"count": "n"}])
def test_onnx_upscalers(tmp_path: Path, picture, options: dict):
    graph(tmp_path / "up.onnx", **options)
    scale = options.get("scale", 2)
    small = picture(150, 99)
    found = run(tmp_path / "up.onnx", small, tile=112)
    expected = small.repeat(scale, axis=0).repeat(scale, axis=1)
    assert np.abs(found.astype(int) - expected).max() <= (1 if "half" in options else 0)


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch '{self.mark}'",)


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path):
    mark = tmp_path / "owned"
    state = {"params": {**esrgan().state_dict(), "x": Attack(mark)}}
    torch.save(state, tmp_path / "zip.pth")
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Attack(mark)))
    for name in ("zip.pth", "old.pth", "bare.pth"):
        with pytest.raises(
            BadModelError, match=r"holds Python objects besides weights \((posix|nt)\.system\)"
        ) as caught:
            run(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
        assert name in str(caught.value)
    assert not mark.exists()
    with torch.serialization.safe_globals([]):
        torch.load(tmp_path / "zip.pth", weights_only=False)
    assert mark.exists(), "the file would have done harm"


def test_torchscript_is_refused(tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that TorchScript is on its way out
        torch.jit.save(torch.jit.trace(torch.nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 8, 8)), tmp_path / "a.pt")
    with pytest.raises(BadModelError, match="TorchScript"):
        run(tmp_path / "a.pt", np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("keep", [0, 3, 200, 0.5, 0.99])
@pytest.mark.parametrize("name", ["zip.pth", "old.pth", "a.safetensors", "a.onnx"])
def test_truncated_files(tmp_path: Path, name: str, keep: float):
    from safetensors.torch import save_file

    if name == "a.safetensors":
        save_file(esrgan().state_dict(), tmp_path / name)
    elif name == "a.onnx":
        graph(tmp_path / name)
    else:
        torch.save(esrgan().state_dict(), tmp_path / name, _use_new_zipfile_serialization=name == "zip.pth")
    raw = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(raw[: int(keep * len(raw)) if isinstance(keep, float) else keep])
    with pytest.raises(BadModelError) as caught:
        run(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    assert name in caught.value.message
    assert "\n" not in caught.value.message
    assert "Python objects" not in caught.value.message


def test_other_weights_and_other_files(tmp_path: Path, picture):
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "linear.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    state = esrgan().state_dict()
    del state[next(reversed(state))]
    torch.save(state, tmp_path / "incomplete.pth")
    (tmp_path / "a.txt").write_text("hello")
    messages = {
        "linear.pth": "no architecture",
        "list.pth": "holds a list",
        "incomplete.pth": "incomplete or inconsistent|no architecture",
        "a.txt": "not a weights file",
    }
    for name, said in messages.items():
        with pytest.raises(BadModelError, match=said):
            run(tmp_path / name, picture(16, 16))


def test_onnx_of_other_shapes(tmp_path: Path):
    entry = onnx.helper.make_tensor_value_info("in", onnx.TensorProto.FLOAT, [1, 4])
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1, 4])
    node = onnx.helper.make_node("Identity", ["in"], ["out"])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [entry], [out]),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.save(model, tmp_path / "flat.onnx")
    with pytest.raises(BadModelError, match="not a picture network"):
        run(tmp_path / "flat.onnx", np.zeros((8, 8, 3), np.uint8))


def test_missing_files_and_unknown_names(tmp_path: Path):
    for model in ("nothing.pth", str(tmp_path / "none.pth"), "5x-UltraBlunt"):
        with pytest.raises(UnknownModelError, match="known names: 4x-UltraSharp"):
            catalogue.find(model)


def test_offline_names_say_where_the_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path))
    with pytest.raises(MissingModelError, match="offline") as caught:
        catalogue.find("realesrgan_x4PLUS", offline=True)
    assert str(tmp_path) in str(caught.value)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(MissingModelError, match=r"owner/repo/model\.pth"):
        catalogue.find("owner/repo/model.pth", offline=True)


def test_a_hub_out_of_reach_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> str:
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s")
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    level = logging.getLogger("huggingface_hub").level
    with pytest.raises(MissingModelError, match=r"owner/repo/model\.pth .* the hub cannot be reached"):
        catalogue.find("owner/repo/model.pth")
    assert caplog.text == ""
    assert logging.getLogger("huggingface_hub").level == level


def test_a_known_name_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path))
    (tmp_path / "upscalers").mkdir()
    (tmp_path / "upscalers/4x-UltraSharp.pth").write_bytes(b"other")
    with pytest.raises(BadModelError, match="SHA-256"):
        catalogue.find("4x-ultrasharp", offline=True)


def test_fetching_verifies_and_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import hashlib

    monkeypatch.setenv("CURATE_MODELS", str(tmp_path / "cache"))
    source = tmp_path / "tiny.pth"
    source.write_bytes(struct.pack("<I", 7) * 100)
    good = catalogue.Known(source.as_uri(), hashlib.sha256(source.read_bytes()).hexdigest(), 2, "none")
    bad = catalogue.Known(source.as_uri(), "0" * 64, 2, "none")
    monkeypatch.setitem(catalogue.KNOWN, "tiny", bad)
    with pytest.raises(BadModelError, match="SHA-256"):
        catalogue.find("tiny")
    assert list((tmp_path / "cache/upscalers").iterdir()) == []
    monkeypatch.setitem(catalogue.KNOWN, "tiny", good)
    assert catalogue.find("tiny").read_bytes() == source.read_bytes()
    monkeypatch.setitem(catalogue.KNOWN, "gone", catalogue.Known((tmp_path / "gone.pth").as_uri(), "0" * 64, 2, "none"))
    with pytest.raises(MissingModelError, match="cannot be fetched"):
        catalogue.find("gone")


def test_no_cuda_is_said(weights: Path):
    if torch.cuda.is_available():
        pytest.skip("has CUDA")
    with pytest.raises(CleanerError, match="cuda"), Upscale(str(weights)).open("cuda"):
        pass


class Bears:
    """What a network is known to bear."""

    def __init__(self, half: bool, brain: bool) -> None:
        self.supports_half, self.supports_bfloat16 = half, brain


@pytest.mark.parametrize(
    ("device", "precision", "half", "brain", "expected"),
    [
        ("cpu", "auto", True, True, torch.float32),
        ("mps", "auto", True, True, torch.float32),
        ("cpu", "half", True, True, torch.bfloat16),
        ("cpu", "half", True, False, torch.float32),
        ("cuda", "auto", True, True, torch.float16),
        ("cuda", "auto", False, True, torch.bfloat16),
        ("cuda", "auto", False, False, torch.float32),
        ("cuda", "full", True, True, torch.float32),
    ],
)
def test_half_precision_by_itself_is_for_cuda(
    device: str, precision: Precision, half: bool, brain: bool, expected: torch.dtype
):
    assert number_format(Bears(half, brain), torch.device(device), precision) == expected


def test_half_precision_asked_for_on_the_cpu_stays_near_the_full(weights: Path, picture):
    full, half = (run(weights, picture(40, 48), precision=precision) for precision in ("full", "half"))
    assert 0 < np.abs(full.astype(int) - half).mean() < 2


def test_weights_are_plain_tensors(weights: Path):
    assert all(isinstance(value, torch.Tensor) for value in read_weights(weights)["params_ema"].values())
    assert io.BytesIO(weights.read_bytes()).read(2) == b"PK"
