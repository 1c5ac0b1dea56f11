"""Each family against small models with its exact input and output: preparation, order, categories, thresholds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from PIL import Image

import taggers
from taggers import onnxfile, preprocess_json
from taggers.errors import BadModelError
from taggers.families.cl_tagger import ClTagger
from taggers.families.jtp import prepare as prepare_jtp
from taggers.families.thouph import Thouph
from taggers.family import Graph, sigmoid
from taggers.folders import read_graph
from taggers.local_tagger import family
from taggers.providers import session

Build = Callable[..., Path]
NCHW = ("batch", 3, 448, 448)
GREY = np.full((448, 448, 3), (51, 102, 153), np.uint8)
"""0.2, 0.4, 0.6 of full."""

PIXAI = {
    "stages": [
        {"type": "pad_to_size", "size": [448, 448], "background_color": "white", "interpolation": "bilinear"},
        {"type": "to_tensor"},
        {"type": "normalize", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    ]
}


def scored(folder: Path, picture: np.ndarray = GREY) -> dict[str, tuple[float, str]]:
    tagger = taggers.find(str(folder))
    with tagger.open("cpu") as opened:
        return opened([picture])[0]


def logistic(x: float) -> float:
    return 1 / (1 + float(np.exp(-x)))


def test_cl_tagger(tmp_path: Path, build: Build) -> None:
    rows = [
        ("general", "Rating"),
        ("best quality", "Quality"),
        ("1girl", "General"),
        ("someone", "Artist"),
        ("", ""),
        ("x_(y)", "Copyright"),
    ]
    mapping = {str(i): {"tag": t, "category": c} for i, (t, c) in enumerate(rows) if t}
    (tmp_path / "tag_mapping.json").write_text(json.dumps(mapping))
    build(tmp_path / "model.onnx", 6, shape=NCHW, slope=1.0)
    assert taggers.find(str(tmp_path)).family.name == "cl-tagger"
    found = scored(tmp_path)
    # BGR in -1..1: 0.2, -0.2, -0.6; output i is channel (i mod 3) + i / 1000, a logit
    expected = {"general": 0.2, "best_quality": -0.199, "1girl": -0.598, "someone": 0.203, "x_(y)": -0.595}
    assert {t: s for t, (s, _) in found.items()} == pytest.approx(
        {t: logistic(x) for t, x in expected.items()}, abs=2e-3
    )
    assert [c for _, c in found.values()] == ["rating", "quality", "general", "artist", "copyright"]


def test_cl_taggers_other_mapping(tmp_path: Path) -> None:
    (tmp_path / "tag_mapping.json").write_text(
        json.dumps({"idx_to_tag": {"1": "b", "0": "a"}, "tag_to_category": {"a": "General", "b": "Character"}})
    )
    found = ClTagger().labels(tmp_path / "tag_mapping.json")
    assert (found.names, found.categories) == (("a", "b"), ("general", "character"))
    (tmp_path / "tag_mapping.json").write_text("[1, 2]")
    with pytest.raises(BadModelError, match=r"tag_mapping\.json"):
        ClTagger().labels(tmp_path / "tag_mapping.json")


def test_pixai(tmp_path: Path, build: Build, write_table: Build) -> None:
    rows = [(0, "1girl", 0, 1, "[]"), (1, "hatsune_miku", 4, 1, '["vocaloid", "project sekai"]')]
    write_table(tmp_path / "selected_tags.csv", rows, header=("id", "name", "category", "count", "ips"))
    (tmp_path / "preprocess.json").write_text(json.dumps(PIXAI))
    build(tmp_path / "model.onnx", 2, shape=NCHW, output="prediction", extra="embedding", slope=-0.1)
    tagger = taggers.find(str(tmp_path))
    assert tagger.family.name == "pixai"
    assert tagger.thresholds == {"general": 0.15, "character": 0.7}
    assert tagger.copyrights() == {"hatsune_miku": ("vocaloid", "project_sekai")}
    found = scored(tmp_path)  # RGB in -1..1 is -0.6, -0.2, 0.2; probabilities as they come
    assert {t: s for t, (s, _) in found.items()} == pytest.approx({"1girl": 0.06, "hatsune_miku": 0.021}, abs=1e-3)
    assert found["hatsune_miku"][1] == "character"


def test_pixai_from_logits(tmp_path: Path, build: Build, write_table: Build) -> None:
    write_table(tmp_path / "selected_tags.csv", [(0, "1girl", 0, 1), (1, "a", 4, 1)])
    (tmp_path / "preprocess.json").write_text(json.dumps(PIXAI))
    build(tmp_path / "model.onnx", 2, shape=NCHW, output="logits", extra="embedding", slope=1.0)
    found = scored(tmp_path)
    assert {t: s for t, (s, _) in found.items()} == pytest.approx(
        {"1girl": logistic(-0.6), "a": logistic(-0.199)}, abs=2e-3
    )


def test_camie(tmp_path: Path, build: Build, write_table: Build) -> None:
    rows = [(0, "rating_general", 9, 1), (1, "year_2020", 10, 1), (2, "1girl", 0, 1), (3, "someone", 1, 1)]
    write_table(tmp_path / "selected_tags.csv", rows)
    stages = [{"type": "resize", "size": [512, 512]}, {"type": "to_tensor"}]
    (tmp_path / "preprocess.json").write_text(json.dumps({"stages": stages}))
    modes = {"balanced": {"threshold": 0.3}, "high_recall": {"threshold": 0.1}}
    (tmp_path / "threshold.json").write_text(
        json.dumps({"general": modes, "character": {"balanced": {"threshold": 0.4}}})
    )
    build(tmp_path / "model.onnx", 4, shape=("batch", 3, 512, 512), output="output", extra="initial/output", slope=1.0)
    tagger = taggers.find(str(tmp_path))
    assert tagger.family.name == "camie"
    assert tagger.thresholds == {"general": 0.3, "character": 0.4}
    found = scored(tmp_path)
    assert {t: (round(s, 2), c) for t, (s, c) in found.items()} == {
        "general": (0.2, "rating"),
        "year_2020": (0.4, "year"),
        "1girl": (0.6, "general"),
        "someone": (0.2, "artist"),
    }


def test_dbv4_brings_thresholds_by_tag(tmp_path: Path, build: Build, write_table: Build) -> None:
    write_table(
        tmp_path / "selected_tags.csv", [("a", 0, 0.2), ("b", 4, 0.61)], header=("name", "category", "best_threshold")
    )
    (tmp_path / "preprocess.json").write_text(json.dumps({"test": PIXAI["stages"]}))
    build(tmp_path / "model.onnx", 2, shape=NCHW, output="prediction")
    tagger = taggers.find(str(tmp_path))
    assert tagger.family.name == "dbv4"
    assert tagger.best() == {"a": 0.2, "b": 0.61}


def test_e621_convnext(tmp_path: Path, build: Build, write_table: Build) -> None:
    write_table(tmp_path / "tags-selected.csv", [(1, "wolf", 5, 1), (2, "safe", 0, 1), (3, "krystal", 4, 1)])
    shape = (1, 448, 448, 3)
    build(
        tmp_path / "model.onnx",
        3,
        shape=shape,
        name="input_1:0",
        output="predictions_sigmoid",
        extra="features",
        slope=0.005,
    )
    tagger = taggers.find(str(tmp_path))
    assert (tagger.family.name, tagger.vocabulary, tagger.thresholds["general"]) == ("e621-convnext", "e621", 0.3)
    found = scored(tmp_path)
    assert {t: (round(s - 0.003, 2), c) for t, (s, c) in found.items()} == {
        "wolf": (0.76, "species"),
        "safe": (0.51, "rating"),
        "krystal": (0.25, "character"),
    }


def test_e621_in_the_wd_layout(tmp_path: Path, build: Build, write_table: Build) -> None:
    write_table(tmp_path / "selected_tags.csv", [(1, "wolf", 5, 1), (2, "anthro", 0, 1)])
    build(tmp_path / "model.onnx", 2)
    tagger = taggers.find(str(tmp_path))
    assert (tagger.family.name, tagger.vocabulary) == ("wd-e621", "e621")
    assert tagger.thresholds == {"general": 0.60, "character": 0.65, "species": 0.60}


def test_thouph(tmp_path: Path, build: Build) -> None:
    (tmp_path / "tags_8041.json").write_text(json.dumps(["zebra", "anthro", "wolf"]))
    build(tmp_path / "model.onnx", 8, shape=NCHW, slope=1.0)
    tagger = taggers.find(str(tmp_path))
    assert (tagger.family.name, tagger.vocabulary) == ("thouph", "e621")
    found = scored(tmp_path, np.full((10, 30, 3), (51, 102, 153), np.uint8))
    red, green, blue = (0.2 - 0.48145466) / 0.26862954, (0.4 - 0.4578275) / 0.26130258, (0.6 - 0.40821073) / 0.27577711
    expected = {"anthro": green + 0.001, "wolf": blue + 0.002, "zebra": red + 0.003}
    expected |= {"explicit": blue + 0.005, "questionable": red + 0.006, "safe": green + 0.007}
    assert {t: s for t, (s, _) in found.items()} == pytest.approx(
        {t: logistic(x) for t, x in expected.items()}, abs=3e-3
    )
    assert found["safe"][1] == "rating"


def test_thouph_is_not_padded() -> None:
    picture = np.zeros((10, 30, 3), np.uint8)
    assert len(np.unique(Thouph().prepare(picture, 448, ()))) == 3  # one value for each channel


# JTP
# ----------------------------------------------------------------------------------------------------------------------


def siglip_weights(tags: int) -> tuple[dict[str, Any], Any]:
    """Random weights in timm's layout, and transformers' own model with the same ones."""
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(0)
    config = SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=16,
        image_size=28,
        patch_size=14,
        hidden_act="gelu",
    )
    reference = SiglipVisionModel(config).eval()
    theirs = {k: torch.randn_like(v) * 0.3 for k, v in reference.state_dict().items()}
    reference.load_state_dict(theirs)
    ours = {
        "patch_embed.proj.weight": theirs["embeddings.patch_embedding.weight"],
        "patch_embed.proj.bias": theirs["embeddings.patch_embedding.bias"],
        "pos_embed": theirs["embeddings.position_embedding.weight"][None],
        "attn_pool.latent": theirs["head.probe"],
        "attn_pool.q.weight": theirs["head.attention.in_proj_weight"][:32],
        "attn_pool.q.bias": theirs["head.attention.in_proj_bias"][:32],
        "attn_pool.kv.weight": theirs["head.attention.in_proj_weight"][32:],
        "attn_pool.kv.bias": theirs["head.attention.in_proj_bias"][32:],
        "head.linear.weight": torch.randn(2 * tags, 32),
        "head.linear.bias": torch.randn(2 * tags),
    }
    for part in ("weight", "bias"):
        ours[f"norm.{part}"] = theirs[f"post_layernorm.{part}"]
        ours[f"attn_pool.proj.{part}"] = theirs[f"head.attention.out_proj.{part}"]
        ours[f"attn_pool.norm.{part}"] = theirs[f"head.layernorm.{part}"]
        for layer in ("fc1", "fc2"):
            ours[f"attn_pool.mlp.{layer}.{part}"] = theirs[f"head.mlp.{layer}.{part}"]
        for i in range(2):
            at = f"encoder.layers.{i}"
            ours[f"blocks.{i}.norm1.{part}"] = theirs[f"{at}.layer_norm1.{part}"]
            ours[f"blocks.{i}.norm2.{part}"] = theirs[f"{at}.layer_norm2.{part}"]
            ours[f"blocks.{i}.attn.qkv.{part}"] = torch.cat([theirs[f"{at}.self_attn.{x}_proj.{part}"] for x in "qkv"])
            ours[f"blocks.{i}.attn.proj.{part}"] = theirs[f"{at}.self_attn.out_proj.{part}"]
            for layer in ("fc1", "fc2"):
                ours[f"blocks.{i}.mlp.{layer}.{part}"] = theirs[f"{at}.mlp.{layer}.{part}"]
    return ours, reference


@pytest.fixture
def jtp(tmp_path: Path) -> tuple[Path, dict[str, Any], Any]:
    from safetensors.torch import save_file

    weights, reference = siglip_weights(3)
    save_file({k: v.contiguous() for k, v in weights.items()}, tmp_path / "model.safetensors")
    (tmp_path / "tags.json").write_text(json.dumps({"wolf": 0, "explicit": 1, "tail": 2}))
    return tmp_path, weights, reference


def test_jtp_equals_the_encoder_of_transformers_with_a_gated_head(jtp: tuple[Path, dict[str, Any], Any]) -> None:
    import torch

    folder, weights, reference = jtp
    picture = np.random.default_rng(1).integers(0, 256, (20, 28, 3), dtype=np.uint8)
    tagger = taggers.find(str(folder))
    assert (tagger.family.name, tagger.vocabulary, tagger.thresholds["general"]) == ("jtp", "e621", 0.2)
    with tagger.open("cpu") as opened:
        (found,) = opened([picture])
        (streamed,) = opened.stream([lambda: picture])
    with torch.inference_mode():
        pooled = reference(torch.from_numpy(prepare_jtp(picture, 28))[None]).pooler_output
        half = (pooled @ weights["head.linear.weight"].T + weights["head.linear.bias"]).sigmoid()[0]
    assert [s for s, _ in found.values()] == pytest.approx((half[:3] * half[3:]).tolist(), abs=1e-5)
    assert list(found) == ["wolf", "explicit", "tail"]
    assert found["explicit"][1] == "rating"
    assert streamed == found


def test_jtp_preparation_by_hand() -> None:
    """A 2×4 picture in a side of 4 is not scaled: rows of mid grey above and below, values in -1..1."""
    picture = np.full((2, 4, 3), 255, np.uint8)
    picture[:, :, 1] = 0
    tensor = prepare_jtp(picture, 4)
    assert tensor[:, 0].tolist() == tensor[:, 3].tolist() == np.zeros((3, 4)).tolist()
    assert tensor[0, 1].tolist() == [1.0] * 4
    assert tensor[1, 1].tolist() == [-1.0] * 4
    clear = np.zeros((2, 2, 4), np.uint8)
    assert not prepare_jtp(clear, 2).any()


def test_jtp_scales_with_lanczos() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    scaled = np.asarray(Image.fromarray(picture).resize((20, 12), Image.Resampling.LANCZOS), dtype=np.float32)
    assert np.allclose(prepare_jtp(picture, 20)[:, 4:16], (scaled / 127.5 - 1).transpose(2, 0, 1), atol=1e-6)


def test_weights_of_something_else_are_refused(jtp: tuple[Path, dict[str, Any], Any], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    folder, weights, _ = jtp
    save_file({**{k: v.contiguous() for k, v in weights.items()}, "more": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(BadModelError, match="not a SigLIP tagger"), taggers.find(str(folder)).open("cpu"):
        pass
    (folder / "model.safetensors").write_bytes(b"no")
    with pytest.raises(BadModelError, match="not a SigLIP tagger"), taggers.find(str(folder)).open("cpu"):
        pass


# recipes, detection, catalogue
# ----------------------------------------------------------------------------------------------


def stages(tmp_path: Path, *steps: dict[str, Any]) -> tuple[preprocess_json.Step, ...]:
    path = tmp_path / f"{abs(hash(json.dumps(steps)))}.json"
    path.write_text(json.dumps({"stages": steps}))
    return preprocess_json.read(path)


def test_recipe_by_hand(tmp_path: Path) -> None:
    picture = np.full((2, 4, 3), 51, np.uint8)
    steps = stages(
        tmp_path,
        {"type": "pad_to_size", "size": [4, 4], "background_color": "black", "interpolation": "nearest"},
        {"type": "resize", "size": 8, "interpolation": "nearest"},
        {"type": "center_crop", "size": [4, 8]},
        {"type": "maybe_to_tensor"},
        {"type": "normalize", "mean": [0, 0, 0.2], "std": [1, 2, 1]},
    )
    tensor = preprocess_json.apply(steps, picture)
    assert tensor.shape == (3, 4, 8)
    assert np.allclose(tensor[0], 0.2)
    assert np.allclose(tensor[1], 0.1)
    assert np.allclose(tensor[2], 0.0)


def test_recipe_sizes(tmp_path: Path) -> None:
    picture = np.zeros((30, 50, 3), np.uint8)
    to = {"type": "to_tensor"}
    assert preprocess_json.apply(stages(tmp_path, {"type": "resize", "size": 20}, to), picture).shape == (3, 20, 33)
    assert preprocess_json.apply(stages(tmp_path, {"type": "resize", "size": [20, 40]}, to), picture).shape == (
        3,
        20,
        40,
    )
    assert preprocess_json.apply(
        stages(tmp_path, {"type": "resize", "size": 20, "max_size": 30}, to), picture
    ).shape == (
        3,
        18,
        30,
    )
    assert preprocess_json.apply(stages(tmp_path, {"type": "center_crop", "size": [60, 20]}, to), picture).shape == (
        3,
        60,
        20,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"stages": [{"type": "solarize"}]}', 'unknown transform "solarize"'),
        ('{"stages": [{"type": "normalize", "mean": 0.5}]}', "normalize has wrong arguments"),
        ('{"steps": []}', "no list of transforms"),
        ("{", "not readable as JSON"),
    ],
)
def test_what_a_recipe_does_not_know_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "preprocess.json"
    path.write_text(text)
    with pytest.raises(BadModelError, match=said):
        preprocess_json.read(path)


def test_an_unclear_folder_asks_for_the_family(tmp_path: Path, build: Build, write_table: Build) -> None:
    build(tmp_path / "model.onnx", 1, shape=NCHW)
    write_table(tmp_path / "selected_tags.csv", [(1, "a", 0, 0)])
    with pytest.raises(BadModelError, match="no family fits"):
        taggers.find(str(tmp_path))
    build(tmp_path / "other.onnx", 1)
    assert taggers.find(str(tmp_path), family_name="wd").model.name == "model.onnx"
    (tmp_path / "model.onnx").unlink()
    assert taggers.find(str(tmp_path)).family.name == "wd"
    assert taggers.find(str(tmp_path / "other.onnx")).family.name == "wd"
    build(tmp_path / "third.onnx", 1)
    with pytest.raises(BadModelError, match=r"several models: other\.onnx, third\.onnx"):
        taggers.find(str(tmp_path))


@pytest.mark.parametrize(
    "options",
    [
        {"shape": NCHW},
        {"shape": (1, 448, 448, 3), "name": "input_1:0", "output": "predictions_sigmoid", "extra": "features"},
        {"shape": ("N", 320, 320, 3), "dtype": TensorProto.FLOAT16},
    ],
)
def test_a_graph_is_read_off_its_file_as_a_session_tells_it(
    tmp_path: Path, build: Build, options: dict[str, Any]
) -> None:
    path = build(tmp_path / "model.onnx", 5, **options)
    assert read_graph(path) == Graph.of(session(path, "cpu"))
    inputs, _ = onnxfile.declared(path)
    old = onnx.load(path)  # files of old versions declare weights as inputs too
    old.graph.input.append(onnx.helper.make_tensor_value_info("mix", TensorProto.FLOAT, [3, 5]))
    path.write_bytes(old.SerializeToString())
    assert onnxfile.declared(path)[0] == inputs
    whole = path.read_bytes()
    # only the operators' version comes after the graph: what ends there still declares everything
    for end in range(1, whole.rindex(b"\x42"), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"cut short|no graph|field of kind"):
            onnxfile.declared(path)


def test_looking_at_a_folder_makes_no_session(tmp_path: Path, build: Build, write_table: Build) -> None:
    code = "import sys, taggers; print(taggers.find(sys.argv[1]).family.name, 'onnxruntime' in sys.modules)"
    build(tmp_path / "model.onnx", 1)
    write_table(tmp_path / "selected_tags.csv", [(1, "a", 0, 0)])
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["wd", "False"]


def test_sigmoid_does_not_overflow() -> None:
    values = np.array([-1e4, -30, -1, 0, 1, 30, 1e4], np.float32)
    assert sigmoid(values).tolist() == pytest.approx([0, 9e-14, 0.26894143, 0.5, 0.7310586, 1, 1], abs=1e-7)


def test_every_published_model_says_what_it_needs() -> None:
    for name, (kind, model) in taggers.models().items():
        assert model.name == name
        assert model.licence
        assert model.embedded or model.repo.count("/") == 1
        labels = Path(model.files[1]).name
        assert labels in kind.label_files
        assert all(Path(e).name in {Path(f).name for f in model.files} for e in kind.extra_files)
        assert "general" in family(kind.name).thresholds
        assert kind.verified or "nverified" in (type(kind).__doc__ or "") + (
            __import__(type(kind).__module__, fromlist=["x"]).__doc__ or ""
        )
