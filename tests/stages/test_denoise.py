"""The stages denoise and upscale, on records and through the real runner."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from PIL import Image as Pillow

from cleaners.measures.difference import psnr
from curate.core.record import Image, Record
from curate.core.stage import Env, RecordStage
from curate.errors import InputError, MissingError
from curate.images import PICTURE_FILES
from curate.stages.denoise import Denoise
from curate.stages.upscale import Upscale


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return Env(tmp_path / ".curate", tmp_path, PICTURE_FILES, device="cpu", offline=True)


def record(path: Path, pixels: np.ndarray, **fields) -> Record:
    Pillow.fromarray(pixels).save(path)
    image = Image("d", str(path), pixels.shape[1], pixels.shape[0])
    return Record(f"dog/{path.name}", "dog", "o", image, **fields)


def run(stage: RecordStage, env: Env, *records: Record) -> Sequence[Record]:
    """Through the steps the runner would take."""
    with contextlib.ExitStack() as stack:
        for step in stage.parts():
            assert isinstance(step, RecordStage)
            records = tuple(stack.enter_context(step.open(env))(records))
        return records


def noisy(picture: np.ndarray, eps: int = 8) -> np.ndarray:
    return np.clip(picture + np.random.default_rng(0).choice([-eps, eps], picture.shape), 0, 255).astype(np.uint8)


def calm(height: int = 96, width: int = 128) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([60 + x * 0.8, 80 + y * 0.9, 160 - x * 0.5], -1).astype(np.uint8)


class TestDenoise:
    def test_clean_pictures_are_left_as_they_are(self, env: Env, tmp_path: Path):
        (found,) = run(Denoise(), env, record(tmp_path / "a.png", calm()))
        assert found.image.path.endswith("a.png")
        assert not env.held
        assert found.facts["denoise"]["done"] is False
        assert found.facts["denoise"]["suspected"] is False
        assert found.facts["denoise"]["score"] < 0.5
        assert found.notes == ()

    def test_suspected_pictures_are_cleaned_and_the_numbers_noted(self, env: Env, tmp_path: Path):
        (found,) = run(Denoise(), env, record(tmp_path / "a.png", noisy(calm())))
        fact = found.facts["denoise"]
        assert fact["done"]
        assert fact["methods"] == ["adverse"]
        assert fact["before"]["score"] > 5 > 1 > fact["after"]["score"]
        assert 25 < fact["psnr"] < 40
        assert 0 < fact["ssim"] < 1
        assert "cleaned by adverse" in found.notes[0]
        after = env.held[found.key].astype(float)
        assert np.abs(after - calm()).mean() < 3 < np.abs(noisy(calm()).astype(float) - calm()).mean()

    def test_consent_marks_keep_cleaning_off_even_with_always(self, env: Env, tmp_path: Path):
        marked = record(tmp_path / "a.png", noisy(calm()), facts={"consent": "XMP DataMining: prohibited"})
        (found,) = run(Denoise(when="always", guard=False), env, marked)
        assert not env.held
        assert found.image == marked.image
        assert "no AI training" in found.notes[0]

    def test_never_only_measures(self, env: Env, tmp_path: Path):
        (found,) = run(Denoise(when="never"), env, record(tmp_path / "a.png", noisy(calm())))
        assert not env.held
        assert found.facts["denoise"]["suspected"]
        assert "suspected" in found.notes[0]

    def test_threshold_decides(self, env: Env, tmp_path: Path):
        source = record(tmp_path / "a.png", noisy(calm(), 2))
        assert run(Denoise(threshold=1), env, source)[0].facts["denoise"]["done"]
        assert not run(Denoise(threshold=3), env, source)[0].facts["denoise"]["done"]

    def test_what_takes_picture_with_the_noise_is_discarded(self, env: Env, tmp_path: Path):
        dice = np.random.default_rng(1)
        rough = np.repeat(dice.integers(40, 216, (128, 128, 1)), 3, axis=2).astype(np.uint8)
        source = record(tmp_path / "a.png", noisy(rough, 2))
        (found,) = run(Denoise(methods=("down-up",), model="lanczos", large=0), env, source)
        assert not found.facts["denoise"]["done"]
        assert "it changed the picture by" in found.facts["denoise"]["why"]
        assert not env.held
        (forced,) = run(Denoise(methods=("down-up",), model="lanczos", large=0, guard=False), env, source)
        assert forced.facts["denoise"]["done"]

    def test_a_filter_that_takes_texture_for_coarse_noise_is_discarded(self, env: Env, tmp_path: Path):
        """What it would do is shown first: the cleaned picture is further from the clean one than before."""
        dice = np.random.default_rng(1)
        grain = dice.integers(107, 149, (256, 256, 1)).astype(np.float32).repeat(3, axis=2)
        texture = np.asarray(cv2.GaussianBlur(grain, (0, 0), 1))
        noise = np.asarray(cv2.GaussianBlur(dice.standard_normal(texture.shape).astype(np.float32), (0, 0), 2))
        picture = np.clip(texture + np.clip(noise / noise.std() / 3, -1, 1) * 9, 0, 255).astype(np.uint8)
        source = record(tmp_path / "a.png", picture)
        (forced,) = run(Denoise(guard=False), env, source)
        assert psnr(env.held.pop(forced.key), texture.astype(np.uint8)) < psnr(picture, texture.astype(np.uint8))
        (found,) = run(Denoise(), env, source)
        assert found.facts["denoise"]["suspected"]
        assert "it changed the picture by" in found.facts["denoise"]["why"]
        assert not env.held

    def test_methods_chain_in_order(self, env: Env, tmp_path: Path):
        source = record(tmp_path / "a.png", noisy(calm(80, 100)))
        (found,) = run(Denoise(methods=("down-up", "adverse", "upscale"), model="lanczos", large=0), env, source)
        assert found.facts["denoise"]["methods"] == ["down-up", "adverse", "upscale"]
        assert env.held[found.key].shape == (160, 200, 3)
        assert (found.image.width, found.image.height) == (200, 160)

    def test_down_up_is_for_large_pictures(self, env: Env, tmp_path: Path):
        (found,) = run(Denoise(methods=("down-up",), model="lanczos"), env, record(tmp_path / "a.png", noisy(calm())))
        assert "too small for down-up" in found.notes[0]
        assert not env.held

    def test_a_network_from_disk(self, env: Env, tmp_path: Path, weights: Path):
        source = record(tmp_path / "a.png", noisy(calm(40, 48)))
        (found,) = run(Denoise(methods=("upscale",), model=str(weights), guard=False), env, source)
        assert env.held[found.key].shape == (80, 96, 3)

    def test_only_networks_ask_for_a_gpu(self):
        assert Denoise().requirements().gpus == 0
        assert Denoise(methods=("adverse", "upscale")).requirements().gpus == 1
        assert Denoise(methods=("upscale",), when="never").requirements().gpus == 0
        assert Denoise(detector="a.onnx").requirements().gpus == 1
        assert Denoise().parts()[0].name == "denoise"

    def test_detector_is_asked(self, env: Env, tmp_path: Path):
        detector(tmp_path / "bright.onnx")
        dark, bright = record(tmp_path / "a.png", calm() // 4), record(tmp_path / "b.png", calm() // 4 + 150)
        stage = Denoise(detector=str(tmp_path / "bright.onnx"), when="never", detector_crops=3)
        first, second = run(stage, env, dark, bright)
        assert first.facts["denoise"]["detector"] < 0.1 < 0.9 < second.facts["denoise"]["detector"]
        assert (first.facts["denoise"]["suspected"], second.facts["denoise"]["suspected"]) == (False, True)
        assert stage.files(env) == [tmp_path / "bright.onnx"]
        again = run(stage, env, bright)[0]
        assert again.facts == second.facts

    def test_missing_and_broken_files(self, env: Env, tmp_path: Path):
        with pytest.raises(InputError, match="no such file"):
            Denoise(detector="none.onnx").files(env)
        with pytest.raises(InputError, match="known names"):
            Denoise(methods=("upscale",), model="none.pth").files(env)
        with pytest.raises(MissingError, match="offline"):
            run(
                Denoise(methods=("down-up",), model="4x-ultrasharp"),
                dataclasses.replace(env),
                record(tmp_path / "a.png", calm()),
            )
        (tmp_path / "bad.onnx").write_bytes(b"no")
        with pytest.raises(InputError, match=r"bad\.onnx"):
            run(Denoise(detector=str(tmp_path / "bad.onnx")), env, record(tmp_path / "a.png", calm()))

    def test_report_shows_before_after_and_difference(self, env: Env, tmp_path: Path):
        stage = Denoise(report=True)
        (found,) = run(stage, env, record(tmp_path / "a.png", noisy(calm())))
        path = env.root / found.facts["denoise"]["report"]
        with Pillow.open(path) as page:
            pixels = np.asarray(page)
        assert pixels.shape == (96, 3 * 128 + 16, 3)
        assert np.array_equal(pixels[:, :128], noisy(calm()))
        assert stage.files_exist([found], env)
        path.unlink()
        assert not stage.files_exist([found], env)


def detector(path: Path) -> None:
    """A classifier that calls bright pictures perturbed: logits 0 and 40·(mean - 0.5)."""
    make, kind = onnx.helper.make_node, onnx.TensorProto.FLOAT
    nodes = [
        make("ReduceMean", ["in"], ["mean"], axes=[1, 2, 3], keepdims=0),
        make("Sub", ["mean", "half"], ["centred"]),
        make("Mul", ["centred", "gain"], ["logit"]),
        make("Unsqueeze", ["logit", "axis"], ["one"]),
        make("Sub", ["one", "one"], ["zero"]),
        make("Concat", ["zero", "one"], ["out"], axis=1),
    ]
    constants = [
        onnx.helper.make_tensor("half", kind, [], [0.5]),
        onnx.helper.make_tensor("gain", kind, [], [40.0]),
        onnx.helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [1]),
    ]
    entry = onnx.helper.make_tensor_value_info("in", kind, ["n", 3, 64, 64])
    out = onnx.helper.make_tensor_value_info("out", kind, ["n", 2])
    graph = onnx.helper.make_graph(nodes, "bright", [entry], [out], constants)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)


class TestUpscale:
    def test_large_enough_pictures_are_left(self, env: Env, tmp_path: Path):
        source = record(tmp_path / "a.png", calm(64, 64))
        assert list(run(Upscale(model="lanczos", size=64), env, source)) == [source]
        assert not env.held

    @pytest.mark.parametrize(
        ("by", "size", "expected"), [("area", 128, (110, 148)), ("short", 200, (200, 267)), ("long", 200, (150, 200))]
    )
    def test_brings_small_pictures_exactly_to_size(self, env: Env, tmp_path: Path, by, size, expected):
        (found,) = run(Upscale(model="lanczos", size=size, by=by), env, record(tmp_path / "a.png", calm(72, 96)))
        expected = (111, 148) if by == "area" else expected
        assert env.held[found.key].shape[:2] == expected
        assert found.facts["upscaled"]["to"] == [expected[1], expected[0]]

    def test_a_network_as_often_as_it_takes(self, env: Env, tmp_path: Path, weights: Path):
        (found,) = run(Upscale(model=str(weights), size=160, by="short"), env, record(tmp_path / "a.png", calm(24, 30)))
        assert env.held[found.key].shape == (160, 200, 3)

    def test_always_by_factor(self, env: Env, tmp_path: Path):
        source = record(tmp_path / "a.png", calm(60, 80))
        (found,) = run(Upscale(model="lanczos", when="always", factor=1.5), env, source)
        assert env.held[found.key].shape == (90, 120, 3)
        env.held.clear()
        (found,) = run(Upscale(model="lanczos", when="always"), env, source)
        assert env.held[found.key].shape == (120, 160, 3)

    def test_what_nothing_enlarges_is_noted(self, env: Env, tmp_path: Path):
        source = record(tmp_path / "a.png", calm(20, 20))
        for stage in (Upscale(model="none"), Upscale(model="lanczos", max_factor=4)):
            (found,) = run(stage, env, source)
            assert found.facts["lowres"] is True
            assert "20×20 is small" in found.notes[0]
            assert not env.held

    def test_files_and_errors(self, env: Env, tmp_path: Path, weights: Path):
        assert Upscale(model=str(weights)).files(env) == (weights,)
        assert Upscale(model="4x-UltraSharp").files(env) == ()
        with pytest.raises(InputError, match="no such file and no known upscaler"):
            Upscale(model="other.pth").files(env)
        (tmp_path / "bad.pth").write_bytes(b"PK\x03\x04")
        with pytest.raises(InputError, match="broken or truncated"):
            run(Upscale(model=str(tmp_path / "bad.pth")), env, record(tmp_path / "a.png", calm()))
        with pytest.raises(MissingError, match="GPU is required"):
            run(
                Upscale(model=str(weights)),
                dataclasses.replace(env, require_gpu=True),
                record(tmp_path / "a.png", calm()),
            )
