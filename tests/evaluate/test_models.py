"""DINOv2, CLIP and VGG19 from folders, against their libraries' own answers; what is missing or broken is named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from curate.errors import InputError, MissingError
from curate.evaluate.embedders import open_clip, open_dino
from curate.evaluate.models import VIEWERS, Role, locate
from curate.evaluate.style import SIDE, STYLE_LAYERS, open_vgg
from tests.evaluate.helpers import vgg

CPU = torch.device("cpu")


def pictures() -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(4)
    return [random.integers(0, 256, shape, np.uint8) for shape in ((40, 60, 3), (64, 33, 3), (50, 50, 3))]


def files(viewers: Mapping[str, str], role: Role) -> Any:
    return locate(role, viewers[role], offline=True)


def test_dino_gives_the_librarys_pooled_output(viewers: dict[str, str]) -> None:
    from transformers import AutoImageProcessor, Dinov2Model

    model = Dinov2Model.from_pretrained(viewers["dino"]).eval()
    processor = AutoImageProcessor.from_pretrained(viewers["dino"])
    with open_dino(files(viewers, "dino"), CPU) as embed:
        together = embed(pictures())
        alone = [embed([p])[0] for p in pictures()]
    with torch.no_grad():
        expected = [model(**processor(images=[p], return_tensors="pt")).last_hidden_state[0, 0] for p in pictures()]
    for row, single, theirs in zip(together, alone, expected, strict=True):
        assert np.allclose(row, theirs, atol=1e-5)
        assert np.allclose(row, single, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 0.01


def test_clip_gives_the_librarys_embeddings(viewers: dict[str, str]) -> None:
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    model = CLIPModel.from_pretrained(viewers["clip"]).eval()
    processor = AutoImageProcessor.from_pretrained(viewers["clip"])
    tokenizer = AutoTokenizer.from_pretrained(viewers["clip"])
    words = ["a dog on grass", "a blue robe, " * 40]
    with open_clip(files(viewers, "clip"), CPU) as (embed, texts):
        seen, read = embed(pictures()), texts(words)
        assert np.allclose(read[0], texts(words[:1])[0], atol=1e-5)
    for number, picture in enumerate(pictures()):
        one = tokenizer(words[:1], return_tensors="pt")
        with torch.no_grad():
            output = model(**one, **processor(images=[picture], return_tensors="pt"))
        # their logits are the cosine, scaled
        cosine = float(output.logits_per_image[0, 0] / model.logit_scale.detach().exp())
        ours = seen[number] @ read[0] / np.linalg.norm(seen[number]) / np.linalg.norm(read[0])
        assert ours == pytest.approx(cosine, abs=1e-5)


def test_vgg_gives_the_gram_matrices_of_torchvisions_network(viewers: dict[str, str]) -> None:
    from torchvision.transforms import functional

    network = vgg().features.eval()
    [picture, *_] = pictures()
    x = functional.resize(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255.0, [SIDE, SIDE], antialias=True)
    x = functional.normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    expected = []
    with torch.no_grad():
        for number, layer in enumerate(network):
            x = layer(x)
            if number in STYLE_LAYERS:
                flat = x[0].flatten(1)
                expected.append((flat @ flat.T / flat.numel()).numpy())
    with open_vgg(files(viewers, "vgg"), CPU) as grams:
        [ours, *others] = grams(pictures())
    assert [g.shape for g in ours] == [(4, 4), (6, 6), (6, 6), (8, 8), (8, 8)]
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(ours, expected, strict=True))
    assert len(others) == 2


def test_vgg_reads_torchvisions_own_file(viewers: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    torch.save(vgg().state_dict(), path)
    found = []
    for name in (str(path), str(tmp_path), viewers["vgg"]):
        with open_vgg(locate("vgg", name, offline=True), CPU) as grams:
            found.append(grams(pictures()[:1])[0])
    assert all(np.array_equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["BOMB"],)


def test_nothing_in_a_pickle_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOMB", str(tmp_path / "went off"))
    torch.save({"features.0.weight": Bomb()}, tmp_path / "vgg19.pth")
    with pytest.raises(InputError, match="no VGG19"), open_vgg(locate("vgg", str(tmp_path), True), CPU):
        pass
    assert not (tmp_path / "went off").exists()


@pytest.mark.parametrize("role", ["dino", "clip"])
def test_of_a_pickle_in_place_of_safetensors_only_weights_are_read(
    role: Role, viewers: dict[str, str], tmp_path: Path
) -> None:
    """The usual CLIP has no safetensors on the hub."""
    place = shutil.copytree(viewers[role], tmp_path / role)
    state = load_file(place / "model.safetensors")
    (place / "model.safetensors").unlink()
    torch.save(state, place / "pytorch_model.bin")
    assert looked_at(role, place) == pytest.approx(looked_at(role, Path(viewers[role])))

    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "went off"),)

    torch.save({**state, "bomb": Bomb()}, place / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be loaded"):
        looked_at(role, place)
    assert not (tmp_path / "went off").exists()


def looked_at(role: Role, place: Path) -> list[float]:
    found = locate(role, str(place), offline=True)
    if role == "dino":
        with open_dino(found, CPU) as embed:
            return embed(pictures()[:1])[0].tolist()
    with open_clip(found, CPU) as (embed, _):
        return embed(pictures()[:1])[0].tolist()


def test_a_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    state = vgg().state_dict()
    del state["features.28.weight"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"no features\.28\.weight"), open_vgg(locate("vgg", str(tmp_path), True), CPU):
        pass
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="no VGG19"), open_vgg(locate("vgg", str(tmp_path), True), CPU):
        pass


@pytest.mark.parametrize(("role", "lacking"), [
    ("dino", "preprocessor_config.json"), ("clip", "tokenizer_config.json"), ("dino", "model.safetensors"),
])  # fmt: skip
def test_what_a_folder_lacks_is_named(role: Role, lacking: str, viewers: dict[str, str], tmp_path: Path) -> None:
    place = shutil.copytree(viewers[role], tmp_path / role)
    (place / lacking).unlink()
    with pytest.raises(InputError, match="lacks") as error:
        locate(role, str(place), offline=True)
    assert lacking.replace("model", "*") in error.value.message and VIEWERS[role].repo in error.value.remedy


def test_another_kind_of_model_is_refused(viewers: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match='of the type "clip", not DINOv2'):
        locate("dino", viewers["clip"], offline=True)
    place = shutil.copytree(viewers["dino"], tmp_path / "dino")
    (place / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json cannot be read"):
        locate("dino", str(place), offline=True)


def test_weights_that_do_not_fit_are_refused(viewers: dict[str, str], tmp_path: Path) -> None:
    place = shutil.copytree(viewers["dino"], tmp_path / "dino")
    (place / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="cannot be loaded"), open_dino(locate("dino", str(place), True), CPU):
        pass


@pytest.mark.parametrize("role", list(VIEWERS))
def test_offline_a_hub_name_that_is_not_here_says_what_to_do(role: Role) -> None:
    with pytest.raises(MissingError, match=f"{VIEWERS[role].title} nobody/nothing is no folder here and not") as error:
        locate(role, "nobody/nothing", offline=True)
    assert "without offline" in error.value.remedy


@pytest.mark.parametrize("name", ["no/such/folder", "./none", "model"])
def test_what_is_neither_a_folder_nor_a_hub_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not there"):
        locate("dino", name, offline=True)


def test_the_digest_is_of_weights_and_of_how_pictures_are_prepared(viewers: dict[str, str], tmp_path: Path) -> None:
    place = shutil.copytree(viewers["dino"], tmp_path / "dino")
    before = locate("dino", str(place), True).digest()
    assert before == files(viewers, "dino").digest()
    settings = json.loads((place / "preprocessor_config.json").read_text(encoding="utf-8"))
    (place / "preprocessor_config.json").write_text(json.dumps({**settings, "do_center_crop": False}), encoding="utf-8")
    assert locate("dino", str(place), True).digest() != before
