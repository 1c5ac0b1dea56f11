"""Metadata and hashes: what is changed and what is not, and the files as sites know them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from curate.adapters import safetensors_file
from curate.adapters.file_hashes import hashes_of
from curate.adapters.tensor_file import TensorFile
from curate.cli.main import main
from curate.errors import InputError
from curate.lora import metadata
from curate.lora.file import open_lora
from curate.lora.info import info
from tests.lora.helpers import SHARED, changes, lora, written

WORDS = {
    "ss_tag_frequency": json.dumps({"2_my secret dog": {"dog": 7, "blue": 2}, "1_x": {"dog": 1}}),
    "ss_dataset_dirs": '{"2_my secret dog": {"n_repeats": 2}}',
    "ss_sd_model_name": r"C:\Users\me\models\base.safetensors",
    "ss_base_model_version": "sd_v1",
    "ss_network_module": "networks.lora",
    "ss_learning_rate": "0.0001",
    "modelspec.title": "Dog",
    "modelspec.trigger_phrase": "zwx dog",
    "ss_training_started_at": "1700000000.5",
}


@pytest.fixture
def source(tmp_path: Path, own_cache: Path) -> Path:
    tensors, _ = safetensors_file.read(lora(tmp_path / "x" / "y.safetensors", "tiny", layer_preset="attn-only"))
    return written(tmp_path / "a.safetensors", tensors, WORDS)


def data(path: Path) -> bytes:
    return path.read_bytes()[TensorFile.open(path).data_start :]


def test_set_remove_and_strip_leave_the_tensors(source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    done = metadata.rewrite(
        str(source), tmp_path / "b.safetensors", values={"modelspec.author": "me", "modelspec.title": "Ä 犬"},
        remove=["ss_learning_rate"],
    )  # fmt: skip
    assert done["modelspec.title"] == ("Dog", "Ä 犬") and done["ss_learning_rate"] == ("0.0001", None)
    found = TensorFile.open(tmp_path / "b.safetensors")
    assert found.metadata["modelspec.author"] == "me" and data(found.path) == data(source)
    tensors, words = safetensors_file.read(found.path)
    assert {k: words[k] for k in safetensors_file.hashes(tensors, words)} == safetensors_file.hashes(tensors, words)
    metadata.rewrite(str(source), tmp_path / "c.safetensors", everything=True)
    stripped = TensorFile.open(tmp_path / "c.safetensors")
    assert set(stripped.metadata) == {
        "ss_base_model_version", "ss_network_module", "sshs_model_hash", "sshs_legacy_hash",
    }  # fmt: skip
    assert data(stripped.path) == data(source) and source.read_bytes() == before


def test_private_words_are_gone(source: Path, tmp_path: Path) -> None:
    metadata.rewrite(str(source), tmp_path / "b.safetensors", private=True)
    raw = (tmp_path / "b.safetensors").read_bytes()
    for word in (b"secret", b"Users", b"zwx", b"1700000000"):
        assert word not in raw
    assert TensorFile.open(tmp_path / "b.safetensors").metadata["ss_sd_model_name"] == "base.safetensors"
    assert changes(tmp_path / "b.safetensors").keys() == changes(source).keys()


@pytest.mark.parametrize(("title", "expected"), [("my secret dog", "Rex 2"), ("Dog of the year", "Dog of the year")])
def test_a_private_file_has_the_name_of_the_new_file(source: Path, tmp_path: Path, title: str, expected: str) -> None:
    """The name of a run is that of its folder; a title is the name unless a person gave another."""
    tensors, _ = safetensors_file.read(source)
    words = {**WORDS, "ss_output_name": "my secret dog", "modelspec.title": title}
    path = written(tmp_path / "named.safetensors", tensors, words)
    target = tmp_path / "Rex 2.safetensors"
    metadata.rewrite(str(path), target, private=True)
    found = TensorFile.open(target).metadata
    assert (found["ss_output_name"], found["modelspec.title"]) == ("Rex 2", expected)
    assert b"secret" not in target.read_bytes()


def test_the_data_of_a_file_in_another_order_stay_in_it(tmp_path: Path) -> None:
    """Tensors that lie in no usual order are copied as they are, bytes between them too."""
    header = {
        "b": {"dtype": "F16", "shape": [2], "data_offsets": [8, 12]},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "__metadata__": {"x": "1"},
    }
    head = json.dumps(header).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(range(12)))
    metadata.rewrite(str(path), tmp_path / "b.safetensors", values={"y": "2"})
    found = TensorFile.open(tmp_path / "b.safetensors")
    assert data(found.path) == bytes(range(12))
    assert found.metadata["sshs_model_hash"] == hashlib.sha256(bytes(range(12))).hexdigest()


def test_what_makes_no_sense_is_refused(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.safetensors"
    for given, message in (
        ({"remove": ["modelspec.titel"]}, "modelspec.title"),
        ({"values": {"sshs_model_hash": "1"}}, "computed from the file"),
        ({"values": {"": "1"}}, "is no key"),
        ({"values": {"format": "banana"}}, "safetensors' own key"),
        ({"values": {"lora_adapter_metadata": "{}"}}, "strength of the LoRA"),
    ):
        with pytest.raises(InputError, match=message):
            metadata.rewrite(str(source), target, **given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="exists already"):
        metadata.rewrite(str(source), source, private=True)
    assert not target.exists()


def test_the_command_replaces_a_file_only_when_told(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> object:
        with pytest.raises(SystemExit) as ended:
            main(["lora", "metadata", str(source), *arguments])
        return ended.value.code

    assert run() == 0 and json.loads(capsys.readouterr().out)["modelspec.title"] == "Dog"
    assert run("--set", "modelspec.title=Cat") == 2 and "-o NEW.safetensors" in capsys.readouterr().err
    assert run("--set", "modelspec.title=Cat", "-o", str(source)) == 2
    assert run("--set", "modelspec.title=Cat", "-o", str(source), "--force") == 0
    assert TensorFile.open(source).metadata["modelspec.title"] == "Cat"
    assert run("-o", str(source)) == 2


def test_hashes_are_those_of_kohya_and_of_sites(source: Path) -> None:
    found = hashes_of(TensorFile.open(source))
    raw = source.read_bytes()
    assert found.sha256 == hashlib.sha256(raw).hexdigest() and found.auto_v2 == found.sha256[:10].upper()
    assert found.content == found.stored == hashlib.sha256(data(source)).hexdigest() and found.fits
    assert found.auto_v3 == found.content[:12].upper()
    assert found.legacy == hashlib.sha256(raw[0x100000:0x110000]).hexdigest()[:8]


def test_info_in_words(source: Path) -> None:
    page = info(open_lora(str(source)))
    assert (page.family, page.algorithms, page.spelling) == ("SD 1.x", {"LoRA": 136}, "kohya")
    assert page.ranks == {(6, 3.0): 136} and page.parts == {"text encoder": 8, "UNet": 128}
    assert ("trigger words", "zwx dog") in page.words and ("trained", "2023-11-14 22:13 UTC") in page.words
    assert page.tags == (("dog", 8), ("blue", 2))
    squares: dict[str, float] = {}
    table = open_lora(str(source)).table
    assert table is not None
    for layer, delta in changes(source).items():
        block = str(table.layer_names[layer].block)
        squares[block] = squares.get(block, 0) + float(delta.square().sum())
    norms = {label.split()[0] if label != "text encoder" else "-1": norm for label, norm in page.blocks}
    assert norms == pytest.approx({block: square**0.5 for block, square in squares.items()}, rel=1e-4)


def test_info_of_a_published_header(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = SHARED / "lora/ss_metadata_kohya_2023.filtered.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    words = {str(k): str(v) for k, v in json.loads(path.read_text(encoding="utf-8")).items()}
    tensors, _ = safetensors_file.read(lora(tmp_path / "x.safetensors", "tiny", layer_preset="attn-only"))
    real = written(tmp_path / "real.safetensors", tensors, words)
    for arguments in (["info", str(real)], ["info", str(real), "--json"]):
        with pytest.raises(SystemExit, match="0"):
            main(["lora", *arguments])
    out = capsys.readouterr().out
    assert "LoRA (136)" in out and '"autov3"' in out
