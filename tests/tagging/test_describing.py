"""Sentences from a vision-language model: a tiny BLIP with random weights, made here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.core.record import Image, Record
from curate.core.stage import Env
from curate.errors import InputError, MissingError
from curate.stages.tag import Tag
from curate.tagging.describing import DESCRIBED
from taggers import sentence
from taggers.errors import BadModelError

Make = Callable[..., Record]
WORDS = [
    "a",
    "dog",
    "cat",
    "red",
    "blue",
    "child",
    "nude",
    "runs",
    "sits",
    "on",
    "the",
    "grass",
    "in",
    "park",
    "with",
    "hat",
]


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as the hub has them: configuration, safetensors, vocabulary, processor."""
    import torch
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    folder = tmp_path_factory.mktemp("blip")
    (folder / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]", *WORDS]) + "\n"
    )
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), additional_special_tokens=["[DEC]", "[ENC]"])
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {
        **small,
        "vocab_size": 7 + len(WORDS),
        "encoder_hidden_size": 16,
        "projection_dim": 16,
        "max_position_embeddings": 40,
    }
    text |= {"bos_token_id": 5, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    config = BlipConfig(
        text_config=text, vision_config={**small, "image_size": 32, "patch_size": 16}, projection_dim=16
    )
    torch.manual_seed(3)
    model = BlipForConditionalGeneration(config)
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.8)
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def test_one_line_each_and_the_same_again(blip: Path) -> None:
    pictures = [np.full((20 + i, 30, 3), 60 * i, np.uint8) for i in range(3)]
    with sentence.open_writer(blip, "cpu", max_tokens=8) as write:
        lines = write(pictures)
        assert write(pictures) == lines
        assert [write([p])[0] for p in pictures] == lines
    assert all(line and len(line.splitlines()) == 1 for line in lines)
    assert {w for line in lines for w in line.split()} <= {*WORDS}


def test_the_stage_keeps_the_sentence_beside_the_tags(blip: Path, apply: Any, record: Make) -> None:
    stage = Tag(tagger=("palette",), describe=str(blip), max_tokens=8)
    after = apply(stage, record())
    assert after.sentence == after.facts[DESCRIBED] != ""
    assert after.tags[0] == "red_theme"
    assert apply(Tag(tagger=("palette",)), record()).sentence == ""
    kept = apply(stage, record(imported="dog, A dog that was here."))
    assert kept.sentence == "A dog that was here."
    merged = apply(stage.model_copy(update={"existing": "merge"}), record(imported="dog, collar"))
    assert merged.sentence == after.sentence


def test_a_described_picture_is_screened(record: Make, env: Env) -> None:
    selection = Tag(tagger=("palette",), describe="any").parts()[-1]
    with selection.open(env) as worker:  # type: ignore[attr-defined]
        (after,) = worker([dataclasses.replace(record(), facts={DESCRIBED: "a nude child"})])
    assert after.aside


def test_what_enters_the_keys(blip: Path, record: Make, env: Env) -> None:
    described = Tag(tagger=("palette",), describe=str(blip))
    scoring, writing, selection = described.parts()
    assert {"model.safetensors", "config.json", "vocab.txt"} <= {f.name for f in writing.files(env)}
    assert (
        writing.key_options() != Tag(tagger=("palette",), describe=str(blip), prompt="what?").parts()[1].key_options()
    )
    plain = Tag(tagger=("palette",)).parts()
    assert plain[0].key_options() == scoring.key_options()
    one = dataclasses.replace(record(), facts={DESCRIBED: "a dog", "had_alpha": True})
    other = dataclasses.replace(record(), facts={DESCRIBED: "a dog"})
    assert selection.key_fields(one) == selection.key_fields(other)
    assert selection.key_fields(one) != selection.key_fields(dataclasses.replace(other, facts={}))
    assert writing.key_fields(one) == writing.key_fields(
        dataclasses.replace(one, trigger=("x",), image=Image("d", "elsewhere.png"))
    )


def test_models_that_are_none(
    tmp_path: Path, apply: Any, record: Make, env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadModelError, match="no vision-language model"), sentence.open_writer(tmp_path, "cpu"):
        pass
    with pytest.raises(InputError, match="no vision-language model"):
        apply(Tag(tagger=("palette",), describe=str(tmp_path)), record())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    env.offline = True
    with pytest.raises(MissingError, match="offline mode is on"):
        Tag(tagger=("palette",), describe="someone/some-model").parts()[1].files(env)
