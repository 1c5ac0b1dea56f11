"""Small text encoders and tokenizers with random weights, as folders, by which the families' tiny models read."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from curate.diffusion import tiny
from curate.diffusion.library_logging import quiet
from curate.diffusion.text import byte_bpe, describe
from curate.diffusion.text.byte_bpe import letters
from curate.diffusion.text.qwen_vl_text import CLASSES, TURNS, Kind

PIECES = ("<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for word in ("a", "the", "dog", "red")), *string.printable[:-5])
T5_WORDS = len(PIECES)
"""Ids of the tiny T5 tokenizer."""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")
MERGES = (("d", "o"), ("do", "g"), ("r", "e"), ("re", "d"), ("h", "a"), ("ha", "t"))
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
"""What Qwen3's template makes of plain messages: without thinking, the thought is there and empty."""
WIDTH = 16
"""Of the tiny text encoder's states."""
VL_WIDTH = 128
"""Of the tiny Qwen-VL encoders' states: one head, as wide as the published ones' are."""


def qwen_vocabulary(merges: Sequence[tuple[str, str]] = MERGES) -> dict[str, int]:
    """The tiny Qwen tokenizer's: every byte, a few words, and the special tokens."""
    made = ["".join(pair) for pair in merges]
    return {token: n for n, token in enumerate([*letters(), *made, *SPECIAL])}


def merges_of(text: str) -> list[tuple[str, str]]:
    """Merges that make each word of a text one token: letter after letter, words behind a space first."""
    words = re.findall(r"Ġ?[a-zA-Z]+", re.sub(r"<\|\w+\|>", "", text).replace(" ", "Ġ"))
    pairs = [
        (word[:n], word[n]) for word in sorted(words, key=lambda word: word[0] != "Ġ") for n in range(1, len(word))
    ]
    return list(dict.fromkeys(pairs))


def write_qwen3(encoder: Path, tokenizer: Path, layers: int = 2) -> None:
    """A Qwen3 text encoder and its tokenizer."""
    from transformers import Qwen3Config, Qwen3Model

    words = qwen_vocabulary()
    config = Qwen3Config(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=24,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
    )
    torch.manual_seed(19)
    with quiet():
        Qwen3Model(config).save_pretrained(encoder)
    _write_tokenizer(tokenizer, MERGES)


def _write_tokenizer(place: Path, merges: Sequence[tuple[str, str]]) -> None:
    import transformers

    theirs: Any = transformers
    written = theirs.Qwen2Tokenizer(vocab=qwen_vocabulary(merges), merges=list(merges), pad_token=SPECIAL[0])
    written.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    written.chat_template = CHAT
    written.save_pretrained(place)


def write_qwen_vl(encoder: Path, tokenizer: Path, kind: Kind, layers: int = 2, prompt: str = describe.BEFORE) -> None:
    """A Qwen-VL text encoder, with the part that sees, and a tokenizer that knows the words of `prompt`."""
    import transformers

    theirs: Any = transformers
    merges = [*merges_of(prompt), *MERGES]
    language: dict[str, Any] = {
        "vocab_size": len(qwen_vocabulary(merges)),
        "hidden_size": VL_WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": TURNS[kind], "mrope_section": [16, 24, 24]},
    }
    sees = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "patch_size": 4}
    sees |= {"out_hidden_size": VL_WIDTH}
    with quiet():
        config = getattr(theirs, f"{CLASSES[kind]}Config")(text_config=language, vision_config=sees)
        torch.manual_seed(19)
        getattr(theirs, f"{CLASSES[kind]}ForConditionalGeneration")(config).save_pretrained(encoder)
    _write_tokenizer(tokenizer, merges)


def write_gemma2(encoder: Path, tokenizer: Path, layers: int) -> None:
    """A Gemma 2 text encoder, its one head as wide as the published ones' are, and a tokenizer of letters."""
    import transformers
    from transformers import Gemma2Config, Gemma2Model

    theirs: Any = transformers
    special = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    words = {piece: n for n, piece in enumerate(dict.fromkeys([*special, "▁", *string.printable[:-5]]))}
    torch.manual_seed(19)
    with quiet():
        Gemma2Model(
            Gemma2Config(
                vocab_size=len(words),
                hidden_size=WIDTH,
                intermediate_size=24,
                num_hidden_layers=layers,
                num_attention_heads=1,
                num_key_value_heads=1,
                head_dim=256,
            )
        ).save_pretrained(encoder)
    theirs.GemmaTokenizer(vocab=words, merges=[], add_bos_token=True).save_pretrained(tokenizer)


def write_clip(encoder: Path, tokenizer: Path) -> None:
    """A CLIP text encoder and its tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    vocabulary = tiny.write_tokenizer(tokenizer)
    end = vocabulary["<|endoftext|>"]
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=1,
        projection_dim=WIDTH,
        bos_token_id=vocabulary["<|startoftext|>"],
        eos_token_id=end,
        pad_token_id=end,
    )
    torch.manual_seed(29)
    with quiet():
        CLIPTextModel(config).save_pretrained(encoder)


def write_t5(encoder: Path) -> None:
    """T5's encoder, for the ids of the tiny tokenizer."""
    from transformers import T5Config, T5EncoderModel

    sizes: dict[str, Any] = {"d_model": WIDTH, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
    torch.manual_seed(31)
    with quiet():
        model = T5EncoderModel(T5Config(vocab_size=T5_WORDS, feed_forward_proj="gated-gelu", **sizes))
        model.save_pretrained(encoder)


def write_t5_tokenizer(place: Path) -> None:
    """A T5 tokenizer that knows single letters and a few words."""
    import transformers

    theirs: Any = transformers
    vocabulary = [(piece, 0.0 if n < 3 else -float(n) / len(piece)) for n, piece in enumerate(PIECES)]
    theirs.T5TokenizerFast(vocab=vocabulary, extra_ids=0).save_pretrained(place)


def write_sd3_text(place: Path) -> tuple[int, int]:
    """Two CLIPs and a T5 with their tokenizers; the widths of their states and of the pooled ones."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

    torch.manual_seed(19)
    for ending, act in (("", "quick_gelu"), ("_2", "gelu")):
        words = byte_bpe.write(_made(place / f"tokenizer{ending}"), ["dog", "red", "hat"])
        clip: dict[str, Any] = {"hidden_size": WIDTH, "intermediate_size": 24, "num_hidden_layers": 2}
        clip |= {"num_attention_heads": 1, "projection_dim": WIDTH, "vocab_size": len(words), "hidden_act": act}
        clip |= {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": len(words) - 1}
        with quiet():
            CLIPTextModelWithProjection(CLIPTextConfig(**clip)).save_pretrained(place / f"text_encoder{ending}")
    t5: dict[str, Any] = {"d_model": 5 * WIDTH // 2, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
    with quiet():
        config = T5Config(vocab_size=T5_WORDS, feed_forward_proj="gated-gelu", **t5)
        T5EncoderModel(config).save_pretrained(place / "text_encoder_3")
    write_t5_tokenizer(place / "tokenizer_3")
    return t5["d_model"], 2 * WIDTH


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
