"""Masks, regularisation folders, the text encoder's stop, half precision: each does what its words say, and resumes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from curate.adapters import safetensors_file
from curate.core.events import TrainStep
from curate.errors import InputError, Interrupted
from curate.stages.train import Train
from curate.train.data import masks
from curate.train.data.buckets import Fit, fit
from curate.train.data.dataset import Picture, read_dataset
from curate.train.data.run_plan import reg_repeats, split
from tests.train.conftest import draw_folder, run

SHORT: dict[str, Any] = {
    "steps": 6,
    "rank": 2,
    "layer_preset": "attn-only",
    "tensorboard": False,
    "save_state_every": 2,
}


def same(one: Path, two: Path, ending: str = "") -> bool:
    ours, theirs = safetensors_file.read(one)[0], safetensors_file.read(two)[0]
    return all(torch.equal(ours[k], theirs[k]) for k in ours if k.startswith(ending))


def losses(events: list[Any]) -> list[float]:
    return [e.loss for e in events if isinstance(e, TrainStep)]


def masked(folder: Path, value: int | None, half: bool = False) -> Path:
    for picture in folder.glob("*/*.png"):
        with Image.open(picture) as image:
            grey = np.full((image.height, image.width), value, np.uint8)
        if half:
            grey[:, : grey.shape[1] // 2] = 0
        place = folder / "masks" / picture.parent.name / picture.name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey).save(place)
    return folder


def picture_of(path: Path, width: int, height: int, mask: Path | None) -> Picture:
    return Picture(path, "1_a", 1, "a", "0", width, height, "a", mask)


def test_white_mask_is_none_and_grey_weighs(tmp_path: Path) -> None:
    plain, first = run(draw_folder(tmp_path / "a" / "p"), **SHORT)
    white, same_losses = run(masked(draw_folder(tmp_path / "b" / "p"), 255), **SHORT, masked_loss=True)
    assert same(plain, white) and losses(first) == losses(same_losses)
    _, grey = run(masked(draw_folder(tmp_path / "c" / "p"), 51), **{**SHORT, "steps": 1}, masked_loss=True)
    assert losses(grey)[0] == pytest.approx(0.2 * losses(first)[0], rel=1e-6)
    half, _ = run(masked(draw_folder(tmp_path / "d" / "p"), 255, half=True), **SHORT, masked_loss=True)
    assert not same(plain, half)


def test_mask_goes_the_pictures_way(tmp_path: Path) -> None:
    """A mask whose grey is its column's number, cropped and mirrored, read at the latents' places."""
    path = tmp_path / "m.png"
    ramp = np.tile(np.arange(200, dtype=np.uint8), (100, 1))
    Image.fromarray(ramp).convert("RGB").save(path)
    how = fit(200, 100, [(64, 64)])
    assert how == Fit((64, 64), (128, 64), 32, 0)
    found = masks.weights(picture_of(path, 200, 100, path), how, flipped=False)[0]
    # the middle half of the columns, 8 places of 12.5 columns each
    expected = torch.tensor([50 + 12.5 * (i + 0.5) - 0.5 for i in range(8)]) / 255
    torch.testing.assert_close(found, expected.expand(8, 8), atol=0.003, rtol=0)
    mirrored = masks.weights(picture_of(path, 200, 100, path), how, flipped=True)[0]
    torch.testing.assert_close(mirrored, found.flip(-1))
    # of another size than the picture: brought to the picture's first
    small = tmp_path / "small.png"
    Image.fromarray(ramp).resize((100, 50), Image.Resampling.BOX).save(small)
    other = masks.weights(picture_of(path, 200, 100, small), how, flipped=False)[0]
    torch.testing.assert_close(other, found, atol=0.01, rtol=0)
    assert bool((masks.weights(picture_of(path, 200, 100, None), how, flipped=False) == 1).all())


def test_masks_are_part_of_the_data(tmp_path: Path) -> None:
    folder = masked(draw_folder(tmp_path / "p"), 255)
    data = read_dataset(folder, masks=True)
    assert not data.warnings and all(p.mask for p in data.pictures)
    (folder / "masks" / "2_zwx dog" / "1.png").unlink()
    fewer = read_dataset(folder, masks=True)
    assert fewer.digest != data.digest and [p.mask is None for p in fewer.pictures] == [False, False, False, True]
    masked(folder, 7)
    assert read_dataset(folder, masks=True).digest not in (data.digest, fewer.digest)
    shutil.rmtree(folder / "masks")
    with pytest.raises(InputError, match="masked_loss has no effect"):
        read_dataset(folder, masks=True)


def test_a_mask_that_cannot_be_read_takes_its_picture_out_by_name(tmp_path: Path) -> None:
    folder = masked(draw_folder(tmp_path / "p"), 255)
    place = folder / "masks" / "2_zwx dog" / "1.png"
    place.write_bytes(b"no picture")
    data = read_dataset(folder, masks=True)
    assert [p.path.name for p in data.pictures if p.concept == "2_zwx dog"] == ["0.png"]
    (said,) = data.warnings
    assert said.startswith("2_zwx dog/1.png is left out: its mask cannot be read")
    place.write_bytes((folder / "masks" / "2_zwx dog" / "0.png").read_bytes()[:40])
    assert len(read_dataset(folder, masks=True).pictures) == len(data.pictures)


@pytest.mark.parametrize(
    ("repeats", "wanted", "expected"),
    [
        ([1, 1, 1], 3, [1, 1, 1]),
        ([1, 1, 1], 2, [1, 1, 0]),  # enough: later ones are not used
        ([1, 1, 1], 8, [3, 3, 2]),  # too few: one more in turn
        ([2, 2, 2], 5, [2, 2, 2]),  # the last taken may overshoot
        ([3, 3], 10, [5, 5]),
    ],
)
def test_regularisation_pictures_are_shown_as_often_as_the_others(
    repeats: list[int], wanted: int, expected: list[int]
) -> None:
    assert reg_repeats(repeats, wanted) == expected


def regularising(place: Path) -> Path:
    """A class folder of three pictures without captions."""
    folder = place / "1_dog"
    folder.mkdir(parents=True)
    for i in range(3):
        Image.new("RGB", (128, 128), (i * 40, 90, 200)).save(folder / f"{i}.png")
    return place


def test_regularisation_is_interleaved_and_weighed(tmp_path: Path) -> None:
    reg = regularising(tmp_path / "reg")
    plain, before = run(draw_folder(tmp_path / "a" / "p"), **{**SHORT, "steps": None, "epochs": 1})
    options = {**SHORT, "steps": None, "epochs": 1, "reg_folder": str(reg)}
    both, events = run(draw_folder(tmp_path / "b" / "p"), **options)
    none, nothing = run(draw_folder(tmp_path / "c" / "p"), **options, prior_loss_weight=0)
    # 6 showings of the concepts and as many of the class
    assert len(losses(before)) == 6 and len(losses(events)) == 12 == len(losses(nothing))
    assert losses(nothing).count(0.0) == 6 and losses(events).count(0.0) == 0
    assert [a for a, b in zip(losses(events), losses(nothing), strict=True) if b][:1] == [
        b for b in losses(nothing) if b
    ][:1]
    order = [loss == 0.0 for loss in losses(nothing)]
    assert order != sorted(order) and order != sorted(order, reverse=True)
    metadata = safetensors_file.read(both)[1]
    assert (metadata["ss_num_train_images"], metadata["ss_num_reg_images"]) == ("6", "6")
    assert json.loads(metadata["ss_reg_dataset_dirs"]) == {"1_dog": {"n_repeats": 1, "img_count": 3}}
    assert "1_dog" not in json.loads(metadata["ss_dataset_dirs"])
    assert metadata["modelspec.trigger_phrase"] == "blue robe, zwx dog"
    assert not same(both, plain) and not same(both, none)
    # other regularisation pictures are another run
    Image.new("RGB", (128, 128)).save(reg / "1_dog" / "0.png")
    other, again = run(tmp_path / "b" / "p", **options)
    assert len(losses(again)) == 12 and other != both


def test_split_holds_out_by_content(tmp_path: Path) -> None:
    data = read_dataset(draw_folder(tmp_path / "p", each=6))
    trained, held = split(data.pictures, 0.34, 1)
    assert sorted(p.concept for p in held) == ["1_blue robe"] * 2 + ["2_zwx dog"] * 2
    assert {p.path for p in trained} | {p.path for p in held} == {p.path for p in data.pictures}
    assert split(data.pictures, 0.34, 2)[1] != held
    fewer = [p for p in data.pictures if p != trained[0]]
    assert {p.path for p in split(fewer, 0.34, 1)[1]} & {p.path for p in held}
    assert split(data.pictures[:1], 0.5, 1) == (data.pictures[:1], [])


def test_text_encoder_stops_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "a" / "p")
    options = {**SHORT, "learning_rate": 1e-2, "schedule": "constant", "warmup": 0}
    three, _ = run(folder, **{**options, "steps": 3}, output_name="three")
    stopped, events = run(folder, **options, stop_text_after=0.5, output_name="stopped")
    on, other = run(folder, **options, output_name="on")
    assert (
        same(three, stopped, "lora_te") and not same(three, stopped, "lora_unet") and not same(on, stopped, "lora_te")
    )
    assert losses(events)[:4] == losses(other)[:4] and losses(events)[4:] != losses(other)[4:]
    # as many steps, said as a number
    number, _ = run(draw_folder(tmp_path / "b" / "p"), **options, stop_text_after=3)
    assert same(stopped, number)


@pytest.mark.parametrize("stop_at", [2, 4])
def test_text_encoders_stop_is_resumed(tmp_path: Path, stop_at: int) -> None:
    """Interrupted before and after the stop; with dropouts, which end for the frozen part."""
    options = {**SHORT, "stop_text_after": 3, "dropout": 0.3, "learning_rate": 1e-2}
    whole, _ = run(draw_folder(tmp_path / "a" / "p"), **options)
    folder = draw_folder(tmp_path / "b" / "p")
    with pytest.raises(Interrupted):
        run(folder, stop_at=stop_at, **options)
    parts, _ = run(folder, **options)
    assert whole.read_bytes() == parts.read_bytes()


def test_stop_of_what_is_not_trained_is_refused() -> None:
    for beside in ({"text_lr": 0}, {"unet_lr": 0}, {"layer_preset": "unet-only"}):
        with pytest.raises(ValueError, match="stop_text_after has no effect"):
            Train(stop_text_after=0.5, **beside)


def test_half_precision_resumes_with_its_scale(tmp_path: Path) -> None:
    options = {**SHORT, "precision": "fp16"}
    whole, events = run(draw_folder(tmp_path / "a" / "p"), **options)
    assert all(np.isfinite(losses(events)))
    folder = draw_folder(tmp_path / "b" / "p")
    with pytest.raises(Interrupted):
        run(folder, stop_at=3, **options)
    (newest,) = list(folder.rglob("step-00000003.pt"))
    scaler = torch.load(newest, weights_only=True)["scaler"]
    assert scaler["scale"] > 0 and scaler["_growth_tracker"] > 0
    parts, _ = run(folder, **options)
    assert whole.read_bytes() == parts.read_bytes()
