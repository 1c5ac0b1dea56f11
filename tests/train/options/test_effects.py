"""What options promise is in the file that a run writes: max norm, block ranks, a guide's settings, kohya's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curate.adapters import safetensors_file
from curate.core.events import TrainStep
from curate.train.network.network import by_layer
from tests.train.conftest import draw_folder, run

SHORT: dict[str, Any] = {"resolution": 64, "tensorboard": False, "steps": 2}


def lengths(path: Path) -> list[float]:
    """Frobenius norm of every layer's ΔW in a LoRA file."""
    found: list[float] = []
    for tensors in by_layer(safetensors_file.read(path)[0]).values():
        up, down = (tensors[f"lora_{side}.weight"].double() for side in ("up", "down"))
        found.append(float((up.flatten(1) @ down.flatten(1)).norm() * tensors["alpha"] / len(down)))
    return found


def test_max_norm_bounds_every_layer_of_the_file(tmp_path: Path) -> None:
    # so large that every layer attends to several places: to a single one there is nothing to learn
    given: dict[str, Any] = {**SHORT, "resolution": 128, "rank": 2, "layer_preset": "attn-only", "learning_rate": 1e-2}
    free = lengths(run(draw_folder(tmp_path / "a" / "prepared", each=1), **given)[0])
    most = sorted(free)[len(free) // 2]
    held = lengths(run(draw_folder(tmp_path / "b" / "prepared", each=1), **given, scale_weight_norms=most)[0])
    assert max(free) > 1.2 * most and max(held) <= most * (1 + 1e-6)
    assert min(held) > 0 and len(held) == len(free)


def test_block_ranks_are_those_of_the_file(folder: Path) -> None:
    ranks = [0] * 12 + [3] + [0] * 4 + [5] * 8
    given: dict[str, Any] = {
        **SHORT,
        "text_lr": 0.0,
        "layer_preset": "attn-only",
        "block_ranks": ",".join(map(str, ranks)),
    }
    tensors, _ = safetensors_file.read(run(folder, **given)[0])
    found = {(name.split("_attentions")[0], len(t)) for name, t in tensors.items() if name.endswith("lora_down.weight")}
    # output blocks 4 to 11 of 12 are the last of level 1 and all of levels 2 and 3
    assert found == {("lora_unet_mid_block", 3), *((f"lora_unet_up_blocks_{level}", 5) for level in (1, 2, 3))}


def test_a_guide_is_what_was_trained(folder: Path) -> None:
    path, events = run(folder, **SHORT, guide="valstrix", layer_preset="attn-only", rank=2)
    said = safetensors_file.read(path)[1]
    assert said["ss_min_snr_gamma"] == "5.0" and said["ss_network_dim"] == "2" and "rodigy" in said["ss_optimizer"]
    assert next(e.rate for e in events if isinstance(e, TrainStep)) == 1


def test_kohyas_file_is_what_was_trained(folder: Path, tmp_path: Path) -> None:
    toml = tmp_path / "kohya.toml"
    lines = [
        "network_dim = 3",
        "network_alpha = 1.5",
        'optimizer_type = "Lion"',
        "max_train_steps = 2",
        "learning_rate = 3e-4",
    ]
    toml.write_text("\n".join([*lines, "noise_offset = 0.05", "train_batch_size = 2"]), encoding="utf-8")
    path, events = run(
        folder,
        resolution=64,
        layer_preset="attn-only",
        tensorboard=False,
        from_kohya=(str(toml),),
        learning_rate=1e-4,
        text_lr=0.0,
    )
    tensors, said = safetensors_file.read(path)
    assert {len(t) for name, t in tensors.items() if name.endswith("lora_down.weight")} == {3}
    assert {float(t) for name, t in tensors.items() if name.endswith("alpha")} == {1.5}
    assert said["ss_noise_offset"] == "0.05" and "ion" in said["ss_optimizer"]
    steps = [e for e in events if isinstance(e, TrainStep)]
    # one's own word stands above the file's
    assert len(steps) == 2 and steps[0].rate == 1e-4
