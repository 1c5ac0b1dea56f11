"""A small tokenizer in CLIP's format: a byte-level BPE that spells any word in pieces."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from curate.diffusion.diffusers_folder import write_json


def letters() -> list[str]:
    """A visible letter for each byte, in the order of the bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]


def tables(words_of_captions: Sequence[str], merges_wanted: int = 600) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The vocabulary and its merges: 256 bytes, 256 at word ends, the merges' results, 2 specials.

    Merges are learned from the words, frequent letter pairs first: a word that stands often becomes one token.
    """
    symbols = letters()
    words: dict[tuple[str, ...], int] = {}
    for word, count in Counter(words_of_captions).items():
        words[(*word[:-1], word[-1] + "</w>")] = count
    merges: list[tuple[str, str]] = []
    while len(merges) < merges_wanted:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            pairs.update({pair: count * word_pairs for pair, word_pairs in Counter(itertools.pairwise(word)).items()})
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {_merged(word, best): count for word, count in words.items()}
    tokens = [*symbols, *(s + "</w>" for s in symbols)]
    tokens += [token for token in dict.fromkeys(a + b for a, b in merges) if token not in set(tokens)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return {token: index for index, token in enumerate(tokens)}, merges


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    at = 0
    while at < len(word):
        both = word[at : at + 2] == pair
        out.append(pair[0] + pair[1] if both else word[at])
        at += 2 if both else 1
    return tuple(out)


def write(place: Path, words_of_captions: Sequence[str]) -> dict[str, int]:
    """Writes the tokenizer's folder to `place`, and returns its vocabulary."""
    vocabulary, merges = tables(words_of_captions)
    write_json(place / "vocab.json", vocabulary)
    (place / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    specials = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    specials["pad_token"] = "<|endoftext|>"
    write_json(place / "special_tokens_map.json", specials)
    write_json(
        place / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **specials}
    )
    return vocabulary
