"""A SigLIP image encoder with a tag head, as timm lays out its weights (`vit_so400m_patch14_siglip_384`).

Pre-norm transformer (Dosovitskiy et al., 2021) without class token; a learned query pools the tokens by attention
(Zhai et al., 2023); exact GELU, layer norms with ε = 1e-6. Sizes are read off the weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

HEADS = 16


class _Norm(nn.LayerNorm):
    def __init__(self, width: int) -> None:
        super().__init__(width, eps=1e-6)


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


def _split(x: Tensor, parts: int) -> list[Tensor]:
    """N×T×(parts·C) to `parts` times N×heads×T×C/heads."""
    batch, tokens, width = x.shape
    split = x.reshape(batch, tokens, parts, HEADS, width // parts // HEADS).permute(2, 0, 3, 1, 4)
    return list(split.unbind(0))


def _joined(x: Tensor) -> Tensor:
    batch, _, tokens, _ = x.shape
    return x.transpose(1, 2).reshape(batch, tokens, -1)


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = _split(self.qkv(x), 3)
        return self.proj(_joined(functional.scaled_dot_product_attention(query, key, value)))


class _Block(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.attn = _Norm(width), _Attention(width)
        self.norm2, self.mlp = _Norm(width), _Mlp(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _Pool(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.q, self.kv, self.proj = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.norm, self.mlp = _Norm(width), _Mlp(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        (query,) = _split(self.q(self.latent.expand(len(x), -1, -1)), 1)
        key, value = _split(self.kv(x), 2)
        pooled = self.proj(_joined(functional.scaled_dot_product_attention(query, key, value)))
        return (pooled + self.mlp(self.norm(pooled)))[:, 0]


class GatedHead(nn.Module):
    """σ(a)·σ(b) of one linear layer's two halves: N×width to N×tags probabilities."""

    def __init__(self, width: int, tags: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 2 * tags)

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities of all tags."""
        score, gate = self.linear(x).chunk(2, dim=1)
        return torch.sigmoid(score) * torch.sigmoid(gate)


class _Patches(nn.Module):
    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class Siglip(nn.Module):
    """N×3×side×side in -1..1 to N×tags probabilities."""

    def __init__(self, width: int, hidden: int, depth: int, patch: int, tokens: int, tags: int) -> None:
        super().__init__()
        self.side = round(tokens**0.5) * patch
        self.patch_embed = _Patches(width, patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width))
        self.blocks = nn.Sequential(*(_Block(width, hidden) for _ in range(depth)))
        self.norm, self.attn_pool, self.head = _Norm(width), _Pool(width, hidden), GatedHead(width, tags)

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities of all tags."""
        return self.head(self.attn_pool(self.norm(self.blocks(self.patch_embed(x) + self.pos_embed))))

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> Siglip:
        """A model with these weights. Raises KeyError and RuntimeError where they are another architecture's."""
        width, _, patch, _ = weights["patch_embed.proj.weight"].shape
        depth = 1 + max(int(k.split(".")[1]) for k in weights if k.startswith("blocks."))
        hidden, tags = len(weights["blocks.0.mlp.fc1.weight"]), len(weights["head.linear.weight"]) // 2
        with torch.device("meta"):
            made = cls(width, hidden, depth, patch, weights["pos_embed"].shape[1], tags)
        made.load_state_dict(dict(weights), strict=True, assign=True)
        return made.eval()
