"""What the text encoders make of a prompt, with its weights.

A weight multiplies the states of its words; then all states are scaled so that their mean is as before (A1111's
emphasis "Original"; diffusers' long-prompt pipeline and kohya's sample pictures do the same).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from curate.diffusion.base import Backbone, Conditions
from curate.diffusion.text.caption_encoder import TextStates
from curate.sampling.emphasis import Emphasis, has_syntax, words

LEAST_MEAN = 1e-6
"""Of states, as a share of their root mean square: below it a mean is rounding, and dividing by it would be noise."""


Encoded = Conditions | TextStates
"""What one prompt came to: Conditions [1, …], or what a family keeps of a caption."""


def join(backbone: Backbone, encoded: Sequence[Encoded], sizes: Tensor) -> Conditions:
    """The conditions of a batch of prompts."""
    whole = [one for one in encoded if isinstance(one, Conditions)]
    if not whole:
        return backbone.collate([one for one in encoded if not isinstance(one, Conditions)])
    pooled = [one.pooled for one in whole if one.pooled is not None]
    return Conditions(torch.cat([one.context for one in whole]), torch.cat(pooled) if pooled else None, sizes)


def encode(backbone: Backbone, prompt: str, emphasis: Emphasis, device: torch.device) -> Conditions:
    """What the text encoders make of a prompt, weights applied; pooled states have none, as in A1111."""
    if emphasis == "none" or not has_syntax(prompt):
        return backbone.condition([ids[None].to(device) for ids in backbone.tokens(prompt)], None)
    read = [words(encoder, prompt, emphasis)[: encoder.max_tokens] for encoder in backbone.texts]
    chunks = [encoder.chunks([i for i, _ in one]) for encoder, one in zip(backbone.texts, read, strict=True)]
    conditions = backbone.condition([one[None].to(device) for one in chunks], None)
    weights = [[weight for _, weight in one] for one in read]
    if all(weight == 1 for own in weights for weight in own):
        return conditions
    return replace(conditions, context=_weigh(conditions.context, weights, _widths(backbone), emphasis))


def _widths(backbone: Backbone) -> list[int]:
    """Of each text encoder's states, which lie side by side in the context."""
    models: list[Any] = [encoder.model for encoder in backbone.texts]
    return [int(model.config.hidden_size) for model in models]


def _weigh(context: Tensor, weights: Sequence[Sequence[float]], widths: list[int], emphasis: Emphasis) -> Tensor:
    """The context [1, tokens, width] with each encoder's states multiplied by its tokens' weights."""
    weighed: list[Tensor] = []
    for states, own in zip(context.split(widths, dim=-1), weights, strict=True):
        factors = torch.ones(states.shape[1], device=states.device)
        factors[1 : 1 + len(own)] = torch.tensor(own, device=states.device)  # the start token comes before
        given = states.float()
        made = given * factors[None, :, None]
        if emphasis == "original" and float(made.mean().abs() / made.square().mean().sqrt()) > LEAST_MEAN:
            made = made * (given.mean() / made.mean())
        weighed.append(made.to(context.dtype))
    return torch.cat(weighed, dim=-1)
