"""Providers, preparing ahead, downloads: what is told when a machine lacks something."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import taggers
from taggers import download, providers
from taggers.batch_size import Room, fitting
from taggers.errors import BadModelError, MissingModelError, NoGpuError, TaggerError
from taggers.family import Model
from taggers.graph import OpenGraph
from taggers.prefetch import ahead
from taggers.providers import CPU, CUDA, TENSORRT, Facts, choose, verdict, why_not

WHOLE = Facts((TENSORRT, CUDA, CPU), driver=True, devices=2, cuda=True, cudnn=True)
NONE = Facts((CUDA, CPU), driver=False, devices=0, cuda=False, cudnn=False)


@pytest.mark.parametrize(
    ("change", "reason", "remedy"),
    [
        ({"driver": False, "devices": 0}, "no NVIDIA driver", "install the NVIDIA driver"),
        ({"devices": 0}, "sees no GPU", "nvidia-smi"),
        ({"providers": (CPU,)}, "built without CUDA", "onnxruntime-gpu"),
        ({"cuda": False}, "CUDA runtime", "cuda,cudnn"),
        ({"cudnn": False}, "cuDNN 9", "cuda,cudnn"),
        ({}, "could not be started", "onnxruntime above"),
    ],
)
def test_why_there_is_no_gpu(change: dict[str, object], reason: str, remedy: str) -> None:
    found = dataclasses.replace(WHOLE, **change)  # type: ignore[arg-type]
    assert reason in why_not(found)[0]
    assert remedy in why_not(found)[1]
    with pytest.raises(NoGpuError, match=reason) as caught:
        verdict(CUDA, CPU, found, "auto", require_gpu=True)
    assert remedy in caught.value.remedy
    assert reason in verdict(CUDA, CPU, found, "auto", require_gpu=False)


@pytest.mark.parametrize(
    ("device", "found", "expected"),
    [
        ("auto", WHOLE, (CUDA, 0)),
        ("auto", NONE, (CPU, 0)),
        ("cpu", WHOLE, (CPU, 0)),
        ("cuda:1", WHOLE, (CUDA, 1)),
        ("cuda", NONE, (CUDA, 0)),
        ("tensorrt", WHOLE, (TENSORRT, 0)),
    ],
)
def test_what_is_asked_for(device: str, found: Facts, expected: tuple[str, int]) -> None:
    assert choose(device, found) == expected


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "CUDA", ""])
def test_devices_that_do_not_exist(device: str) -> None:
    with pytest.raises(BadModelError, match="unknown device"):
        choose(device, WHOLE)


def test_what_is_told() -> None:
    assert verdict(CUDA, CUDA, WHOLE, "auto", require_gpu=True) == ""
    assert verdict(CPU, CPU, NONE, "cpu", require_gpu=False) == ""
    assert "slow" in verdict(CPU, CPU, NONE, "auto", require_gpu=False)
    assert CUDA in verdict(TENSORRT, CUDA, WHOLE, "tensorrt", require_gpu=True)
    with pytest.raises(NoGpuError, match="device cpu was asked for"):
        verdict(CPU, CPU, WHOLE, "cpu", require_gpu=True)


def test_a_session_falls_back_aloud(wd_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = wd_folder / "model.onnx"
    with caplog.at_level(logging.WARNING, "taggers"):
        made = providers.session(model, "auto", machine=NONE)
    assert made.get_providers()[0] == CPU
    assert "tagging on the CPU, which is slow: no NVIDIA driver" in caplog.text
    caplog.clear()
    providers.session(model, "cpu", machine=NONE)
    assert not caplog.text
    with pytest.raises(NoGpuError, match="no NVIDIA driver"):
        providers.session(model, "auto", require_gpu=True, machine=NONE)


def test_palette_runs_on_the_cpu_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "taggers"), taggers.find("palette").open("auto") as opened:
        assert opened.provider == CPU
    assert not caplog.text


def test_errors_travel_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(NoGpuError("no GPU", "buy one")))
    assert isinstance(error, TaggerError)
    assert (error.message, error.remedy) == ("no GPU", "buy one")


# preparing ahead
# ------------------------------------------------------------------------------------------------------------


def test_results_come_in_order_whatever_the_threads_do() -> None:
    def prepare(n: int) -> int:
        time.sleep(0.002 * (n % 3))
        return n

    assert list(ahead(range(50), prepare, lambda batch: [n * 2 for n in batch], batch=4, threads=5)) == [
        n * 2 for n in range(50)
    ]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 9])
def test_any_number_of_sources(count: int) -> None:
    assert list(ahead(range(count), int, list, batch=4, threads=2)) == list(range(count))


def test_what_fails_keeps_its_place_and_batches_are_filled() -> None:
    def prepare(n: int) -> int:
        if n % 3 == 0:
            raise ValueError(n)
        return n

    sizes: list[int] = []

    def infer(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        return batch

    found = list(ahead(range(12), prepare, infer, batch=4, threads=2))
    assert [str(f) for f in found] == [str(n) for n in range(12)]
    assert [isinstance(f, ValueError) for f in found] == [n % 3 == 0 for n in range(12)]
    assert sizes == [4, 4]
    assert [type(f) for f in ahead([0, 3], prepare, infer, batch=4, threads=2)] == [ValueError, ValueError]


def test_preparation_runs_while_the_device_works() -> None:
    """Each batch ends only once a picture of the next one is prepared: one after the other, none would end."""
    done = [threading.Event() for _ in range(20)]
    waited: list[bool] = []

    def prepare(n: int) -> int:
        done[n].set()
        return n

    def infer(batch: list[int]) -> list[int]:
        following = max(batch) + 1
        waited.append(following == len(done) or done[following].wait(60))
        return batch

    assert list(ahead(range(20), prepare, infer, batch=4, threads=1)) == list(range(20))
    assert waited == [True] * 5


def test_the_device_works_while_results_are_dealt_with() -> None:
    """The second batch has begun before the caller is through with the first: it waits for that and gets it."""
    begun = [threading.Event() for _ in range(3)]

    def infer(batch: list[int]) -> list[int]:
        begun[batch[0] // 4].set()
        return batch

    results = ahead(range(12), int, infer, batch=4, threads=1)
    assert next(results) == 0
    assert begun[1].wait(60)
    assert list(results) == list(range(1, 12))


def test_little_is_held_at_once() -> None:
    lock, state = threading.Lock(), {"held": 0, "most": 0}

    def sources() -> object:
        for n in range(100):
            with lock:
                state["held"] += 1
                state["most"] = max(state["most"], state["held"])
            yield n

    def infer(batch: list[object]) -> list[object]:
        with lock:
            state["held"] -= len(batch)
        return batch

    list(ahead(sources(), lambda n: n, infer, batch=4, threads=2))  # type: ignore[arg-type,var-annotated]
    assert state["most"] <= 5 * 4 + 2


def test_a_failing_device_is_raised() -> None:
    def infer(batch: list[int]) -> list[int]:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        list(ahead(range(9), int, infer, batch=4, threads=2))


# room
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "pixels", "half", "expected"),
    [
        (None, 448 * 448, False, 32),
        (80 << 30, 448 * 448, False, 32),
        (8 << 30, 448 * 448, False, 25),
        (4 << 30, 448 * 448, False, 12),
        (4 << 30, 448 * 448, True, 25),
        (4 << 30, 896 * 896, False, 3),
        (100 << 20, 448 * 448, False, 1),
    ],
)
def test_batches_by_memory(free: int | None, pixels: int, half: bool, expected: int) -> None:
    assert fitting(free, pixels, half=half) == expected


def test_what_does_not_fit_is_run_in_smaller_parts(caplog: pytest.LogCaptureFixture) -> None:
    tried: list[int] = []

    def once(items: Sequence[int]) -> list[int]:
        tried.append(len(items))
        if len(items) > 5:
            raise RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 9")
        return [i * 2 for i in items]

    room = Room(16)
    with caplog.at_level(logging.WARNING, "taggers"):
        assert room.run(range(20), once) == [i * 2 for i in range(20)]
        assert room.run(range(3), once) == [0, 2, 4]
    assert tried == [16, 8, 4, 4, 4, 4, 4, 3]
    assert room.batch == 4
    assert "does not hold 16 pictures at once: going on with 8" in caplog.text


def test_other_failures_and_single_pictures_are_raised() -> None:
    def fails(items: Sequence[int]) -> list[int]:
        raise RuntimeError(said)

    for said, room, count in (
        ("invalid input", Room(8), 8),
        ("out of memory", Room(8, fixed=True), 8),
        ("out of memory", Room(8), 1),
    ):
        with pytest.raises(RuntimeError, match=said):
            room.run(range(count), fails)


class SmallDevice:
    """An onnxruntime session on a device that holds two pictures."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def get_providers(self) -> list[str]:
        return [CUDA]

    def get_inputs(self) -> Any:
        return self._session.get_inputs()

    def run(self, names: Any, feeds: dict[str, np.ndarray]) -> Any:
        if max(len(v) for v in feeds.values()) > 2:
            raise RuntimeError("CUDA failure 2: out of memory")
        return self._session.run(names, feeds)


def test_a_tagger_goes_on_with_smaller_batches(wd_folder: Path) -> None:
    found = taggers.find(str(wd_folder))
    made = providers.session(found.model, "cpu", machine=NONE)
    labels = found.family.labels(found.labels)
    pictures = [np.full((9, 9, 3), i, np.uint8) for i in range(11)]
    with found.open("cpu") as plain:
        small = OpenGraph(SmallDevice(made), labels, plain.prepare, lambda x: x, output="output", free=4 << 30)
        assert small.batch == 12
        assert small(pictures) == plain(pictures)
        assert list(small.stream([lambda p=p: p for p in pictures])) == plain(pictures)
        assert small.batch in (1, 2)


# downloads
# ------------------------------------------------------------------------------------------------------------------

MODEL = Model("some-tagger", "someone/some-tagger", ("sub/model.onnx", "sub/tags.csv"), "MIT", revision="abc123")


def test_files_placed_by_hand_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path))
    place = tmp_path / "some-tagger" / "sub"
    place.mkdir(parents=True)
    (place / "model.onnx").write_text("x")
    assert download.placed(MODEL) is None
    (place / "tags.csv").write_text("x")
    assert download.fetch(MODEL, offline=True) == tmp_path / "some-tagger"


def test_the_hubs_cache_is_taken_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "abc123" + "0" * 34
    repo = tmp_path / "models--someone--some-tagger"
    snapshot = repo / "snapshots" / commit / "sub"
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "abc123").write_text(commit)
    (snapshot / "model.onnx").write_text("x")
    assert download.cached(MODEL) is None
    (snapshot / "tags.csv").write_text("x")
    assert download.fetch(MODEL, offline=True) == snapshot.parent


def test_offline_says_which_files_go_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_MODELS", str(tmp_path))
    with pytest.raises(MissingModelError, match="offline mode is on") as caught:
        download.fetch(MODEL, offline=True)
    for said in ("sub/model.onnx, sub/tags.csv", "someone/some-tagger/tree/abc123", str(tmp_path / "some-tagger")):
        assert said in caught.value.remedy


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives(wd_folder: Path) -> None:
    if not providers.facts().devices:
        pytest.skip("no CUDA device")
    pictures = [np.random.default_rng(i).integers(0, 256, (50, 70, 3), dtype=np.uint8) for i in range(5)]
    tagger = taggers.find(str(wd_folder))
    with tagger.open("cpu") as cpu, tagger.open("cuda", require_gpu=True) as gpu:
        assert gpu.provider == CUDA
        for a, b in zip(cpu(pictures), gpu(pictures), strict=True):
            assert {t: s for t, (s, _) in a.items()} == pytest.approx({t: s for t, (s, _) in b.items()}, abs=1e-3)
