"""Weights in prompts: read as A1111 documents them, applied as a computation by hand says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate.diffusion.base import LoadOptions
from curate.sampling import emphasis
from curate.sampling.emphasis import escape, parts, plain
from curate.sampling.settings import PictureSettings
from curate.sampling.text_states import encode
from tests.sampling.conftest import FAMILIES, V
from tests.sampling.helpers import SMALL, base, difference, drawing, pipeline, scheduler, theirs

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", [("", 1)]),
        ("a dog, grass", [("a dog, grass", 1)]),
        ("a (dog)", [("a ", 1), ("dog", 1.1)]),
        ("a ((dog)) here", [("a ", 1), ("dog", 1.1 * 1.1), (" here", 1)]),
        ("a (dog:1.3) here", [("a ", 1), ("dog", 1.3), (" here", 1)]),
        ("a (dog: 1.3 )", [("a ", 1), ("dog", 1.3)]),
        ("(a:.5)(b:-2)(c:+3.)", [("a", 0.5), ("b", -2), ("c", 3)]),
        ("a [dog]", [("a ", 1), ("dog", 1 / 1.1)]),
        ("([dog])", [("dog", 1.1 / 1.1)]),
        ("(red (dog:2) run:1.5)", [("red ", 1.5), ("dog", 3), (" run", 1.5)]),
        ("(a)(b)", [("ab", 1.1)]),
        (r"saber \(fate\)", [("saber (fate)", 1)]),
        (r"(saber \(fate\):1.2)", [("saber (fate)", 1.2)]),
        (r"\[a\] \\ \m/", [(r"[a] \ \m/", 1)]),
        ("an (open one", [("an ", 1), ("open one", 1.1)]),
        ("an [open one", [("an ", 1), ("open one", 1 / 1.1)]),
        ("closed) only] :1.2)", [("closed) only] :1.2)", 1)]),
        ("ratio 1:2, time 10:30", [("ratio 1:2, time 10:30", 1)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("()", [("", 1)]),
    ],
)
def test_a_prompt_is_read_in_parts(prompt: str, expected: list[tuple[str, float]]) -> None:
    found = parts(prompt)
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected])


@pytest.mark.parametrize("text", ["", "saber (fate)", r"saber \(fate\)", "a\\", "[x] (y:1.2) \\\\ :)", ":1.2)", "((("])
def test_an_escaped_text_means_itself(text: str) -> None:
    assert parts(escape(text)) == [(text, 1)]
    assert plain(escape(text)) == text


def test_brackets_are_text_where_the_user_says_so() -> None:
    assert parts(r"a (dog:1.2) \(x\)", "none") == [(r"a (dog:1.2) \(x\)", 1)]


@pytest.mark.parametrize(
    ("prompt", "titles"),
    [
        ("a [cat:dog:0.5]", ["[a:b:0.5]"]),
        ("a [dog:10]", ["[a:b:0.5]"]),
        ("a [cat|dog]", ["[a|b]"]),
        ("a BREAK b AND c", ["BREAK", "AND"]),
        ("dog <lora:zwx:0.8>", ["<lora:…>"]),
        ("embedding:easynegative", ["embedding:…"]),
        (r"a [dog], (cat:1.2), \[a|b\], brand and breakfast", []),
    ],
)
def test_what_is_not_read_is_known(prompt: str, titles: list[str]) -> None:
    assert emphasis.beyond(prompt) == titles


def test_a_prompt_without_brackets_is_encoded_as_before(bases: dict[str, Path]) -> None:
    for family in FAMILIES:
        backbone = base(bases[family])
        for text in ("a dog on grass", "", "a\\", "a dog " * 60):
            tokens = [ids[None] for ids in backbone.tokens(text)]
            with torch.no_grad():
                assert torch.equal(
                    encode(backbone, text, "original", CPU).context, backbone.condition(tokens, None).context
                )


def hand(model: Any, tokenizer: Any, spans: list[tuple[str, float]], layer: int, norm: bool) -> Tensor:
    """States of one text encoder, weighed: transformers' own model, and the arithmetic of A1111."""
    ids, weights = [tokenizer.bos_token_id], [1.0]
    for text, weight in spans:
        own = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += own
        weights += [weight] * len(own)
    ids.append(tokenizer.eos_token_id)
    ids += [tokenizer.pad_token_id] * (77 - len(ids))
    weights += [1.0] * (77 - len(weights))
    with torch.no_grad():
        output = model(torch.tensor([ids]), output_hidden_states=True)
        states = output.hidden_states[-layer] if layer else output.hidden_states[-1]
        states = getattr(model, "text_model", model).final_layer_norm(states) if norm else states
    weighed = states * torch.tensor(weights)[None, :, None]
    return weighed * (states.mean() / weighed.mean())


def offset_norm(model: Any) -> None:
    """A last norm as trained models have it: with one that was never trained, the states' mean is zero."""
    norm = getattr(model, "text_model", model).final_layer_norm
    with torch.no_grad():
        norm.bias.add_(torch.linspace(-0.2, 0.5, len(norm.bias)))


SPANS = [("a ", 1.0), ("dog", 1.3), (" on ", 1.0), ("grass (wet)", 1 / 1.1)]
PROMPT = r"a (dog:1.3) on [grass \(wet\)]"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_weighed_prompt_draws_what_the_states_by_hand_draw(bases: dict[str, Path], family: str) -> None:
    pipe = pipeline(
        bases[family], family, scheduler("EulerAncestralDiscreteScheduler", **(V if family == "sd2" else {}))
    )
    backbone = base(bases[family])
    offset_norm(pipe.text_encoder)
    offset_norm(backbone.parts["te1"])
    picture = PictureSettings(PROMPT, "(blurry:1.4)", **SMALL)
    encoders = [(pipe.text_encoder, pipe.tokenizer)]
    if family == "sdxl":
        encoders.append((pipe.text_encoder_2, pipe.tokenizer_2))
    layer, norm = (2, False) if family == "sdxl" else (0, True)

    def states(spans: list[tuple[str, float]]) -> Tensor:
        return torch.cat([hand(model, tokenizer, spans, layer, norm) for model, tokenizer in encoders], -1)

    given: dict[str, Tensor] = {
        "prompt_embeds": states(SPANS),
        "negative_prompt_embeds": states([("blurry", 1.4)]),
    }
    if family == "sdxl":
        for name, words in (
            ("pooled_prompt_embeds", "a dog on grass (wet)"),
            ("negative_pooled_prompt_embeds", "blurry"),
        ):
            ids = pipe.tokenizer_2(words, padding="max_length", max_length=77, return_tensors="pt")["input_ids"]
            with torch.no_grad():
                given[name] = pipe.text_encoder_2(ids).text_embeds
    made = drawing(backbone).latents([picture])[0]
    assert difference(made, theirs(pipe, picture, **given)) < 1e-4 * max(1.0, float(made.abs().max()))
    without = drawing(backbone).latents([replace(picture, prompt=plain(PROMPT), negative="blurry")])[0]
    assert difference(made, without) > 1e-3


def test_a_mean_of_zero_is_left_alone(bases: dict[str, Path]) -> None:
    backbone = base(bases["sd1"])
    with torch.no_grad():
        found = encode(backbone, "a (dog:1.5)", "original", CPU).context
        assert torch.equal(found, encode(backbone, "a (dog:1.5)", "no_norm", CPU).context)


def test_weights_reach_the_second_chunk_and_what_is_cut_has_none(bases: dict[str, Path]) -> None:
    backbone = base(bases["sd1"], options=LoadOptions(max_tokens=150))
    words = " ".join(["dog"] * 80)
    with torch.no_grad():
        states = backbone.condition([ids[None] for ids in backbone.tokens(f"{words} cat")], None).context
        found = encode(backbone, f"{words} (cat:2) " + "x " * 90, "no_norm", CPU).context
        whole = encode(backbone, f"{words} (cat:2)", "no_norm", CPU).context
    place = 1 + len(backbone.texts[0].words(words))
    own = len(backbone.texts[0].words("cat"))
    expected = states.clone()
    expected[:, place : place + own] *= 2
    assert torch.allclose(whole, expected)
    assert place > 77 and found.shape == whole.shape


def test_without_the_mean_restored_the_other_words_stay(bases: dict[str, Path]) -> None:
    backbone = base(bases["sdxl"])
    with torch.no_grad():
        usual = encode(backbone, "a dog", "original", CPU)
        found = encode(backbone, "a (dog:1.5)", "no_norm", CPU)
        restored = encode(backbone, "a (dog:1.5)", "original", CPU)
    assert torch.equal(found.context[:, 3:], usual.context[:, 3:])
    assert usual.pooled is not None and found.pooled is not None and torch.equal(found.pooled, usual.pooled)
    width = backbone.texts[0].model.config.hidden_size  # pyright: ignore
    for a, b in zip(restored.context.split([width, restored.context.shape[-1] - width], -1),
                    usual.context.split([width, usual.context.shape[-1] - width], -1), strict=True):  # fmt: skip
        assert float(a.mean()) == pytest.approx(float(b.mean()), rel=1e-4)
