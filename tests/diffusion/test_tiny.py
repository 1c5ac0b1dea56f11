"""The embedded base model: an autoencoder that keeps colours, a real tokenizer format, the same bytes anywhere."""

from __future__ import annotations

from pathlib import Path

import torch

from curate.diffusion import tiny
from curate.diffusion.load import LoadOptions, load


def test_built_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    tiny.build(tmp_path)
    first = tiny.folder()
    for file in sorted(p for p in first.rglob("*") if p.is_file()):
        assert (tmp_path / file.relative_to(first)).read_bytes() == file.read_bytes(), file


def test_encodes_mean_colours_and_decodes_a_mosaic() -> None:
    vae = load("tiny", offline=True).vae
    pictures = torch.rand(2, 3, 64, 48) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(pictures).latent_dist.mean * 0.18215
        torch.testing.assert_close(
            latents[:, :3] / 2, torch.nn.functional.avg_pool2d(pictures, 8), rtol=1e-3, atol=1e-3
        )
        mosaic = torch.nn.functional.avg_pool2d(pictures, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
        torch.testing.assert_close(vae.decode(latents / 0.18215).sample, mosaic, rtol=1e-2, atol=5e-3)


def test_tokenizer_takes_any_caption() -> None:
    text = load("tiny", offline=True).texts[0]
    for caption in ("", "zwx dog, white background", "Über-猫 :3 (series)", "x" * 400):
        ids = text.tokens(caption)
        assert ids.shape == (1, 77)
        assert ids[0, 0] == text.begin and ids[0, -1] == text.end
        assert int(ids.max()) < text.model.config.vocab_size
    assert len(text.words("white background")) == 2


def test_long_captions_are_cut_in_chunks() -> None:
    text = load("tiny", True, LoadOptions(max_tokens=225)).texts[0]
    caption = " ".join(["white"] * 100)
    ids = text.tokens(caption)
    assert ids.shape == (3, 77)
    word = text.words("white")[0]
    assert ids[0].tolist() == [text.begin, *[word] * 75, text.end]
    assert ids[1].tolist() == [text.begin, *[word] * 25, *[text.end] * 51]
    assert ids[2].tolist() == [text.begin, *[text.end] * 76]
    with torch.no_grad():
        states, pooled = text.encode(ids[None])
        alone, pooled_alone = text.encode(ids[None, :1])
    assert states.shape == (1, 2 + 225, 32) and alone.shape == (1, 77, 32)
    torch.testing.assert_close(states[:, :76], alone[:, :76])
    torch.testing.assert_close(pooled_alone, pooled)


def test_clip_skip_uses_an_earlier_layer_with_the_final_norm() -> None:
    plain, skipped = load("tiny", offline=True), load("tiny", True, LoadOptions(clip_skip=2))
    ids = plain.texts[0].tokens("a dog")
    with torch.no_grad():
        last, _ = plain.texts[0].encode(ids[None])
        earlier, _ = skipped.texts[0].encode(ids[None])
        model = plain.texts[0].model
        states = model(input_ids=ids, output_hidden_states=True).hidden_states
        inner = plain.texts[0].inner
        torch.testing.assert_close(earlier, inner.final_layer_norm(states[-2]))
        torch.testing.assert_close(last, inner.final_layer_norm(states[-1]))
    assert not torch.equal(last, earlier)
