"""A start for an autoencoder that already reconstructs linearly: principal components down, least squares up.

Every residual branch adds nothing at first, so that the model is linear but for its two last activations.
Random weights need many times the steps to come as far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

_RIDGE = 1e-3
_CONSTANT = 2.0


def linear_start(vae: Any, pictures: Tensor) -> None:
    """Sets the weights of a new AutoencoderKL from pictures (N, 3, H, W)."""
    import torch

    with torch.no_grad():
        for key, parameter in vae.named_parameters():
            if key.endswith(("conv2.weight", "conv2.bias", "to_out.0.weight", "to_out.0.bias")):
                parameter.zero_()
        levels = _encoder(vae, pictures)
        _decoder(vae, pictures, levels)


def _encoder(vae: Any, pictures: Tensor) -> list[Tensor]:
    """Sets the encoder; the components of every level, finest first: what the decoder shall bring back."""
    import torch

    encoder, known = vae.encoder, 3
    _identity(encoder.conv_in, known)
    x = encoder.conv_in(pictures)
    levels = [x[:, :known]]
    for block in encoder.down_blocks:
        for resnet in block.resnets:
            if resnet.conv_shortcut is not None:
                (_identity if block.downsamplers else _mirror)(resnet.conv_shortcut, known)
            x = resnet(x, None)
        if block.downsamplers:
            conv = block.downsamplers[0].conv
            components = _components(_blocks(x[:, :known], 2), conv.out_channels)
            conv.weight.zero_()
            conv.weight[: len(components), :known, :2, :2] = components.view(-1, known, 2, 2)
            conv.bias.zero_()
            known = len(components)
            x = block.downsamplers[0](x)
            levels.append(x[:, :known])
    x = encoder.conv_act(encoder.conv_norm_out(encoder.mid_block(x)))
    target = _whitened_blocks(pictures, vae.config.latent_channels)
    encoder.conv_out.weight.zero_()
    encoder.conv_out.bias.zero_()
    _fit(encoder.conv_out, x, target)
    vae.quant_conv.weight.copy_(torch.eye(vae.quant_conv.out_channels)[:, :, None, None])
    vae.quant_conv.bias.zero_()
    return levels


def _whitened_blocks(pictures: Tensor, count: int) -> Tensor:
    """The first principal components of 8×8 blocks, each of spread one: what the latents are at first."""
    rows = _blocks(pictures, 8)
    values = (rows - rows.mean(0)) @ _components(rows, count).T
    side = pictures.shape[-1] // 8
    return (values / values.std(0)).view(len(pictures), side, side, count).permute(0, 3, 1, 2)


def _decoder(vae: Any, pictures: Tensor, levels: list[Tensor]) -> None:
    """Sets the decoder, level by level: each brings back the components of the next finer one."""
    import torch

    decoder = vae.decoder
    vae.post_quant_conv.weight.copy_(torch.eye(vae.config.latent_channels)[:, :, None, None])
    vae.post_quant_conv.bias.zero_()
    latents = vae.encode(pictures).latent_dist.mean
    _fit(decoder.conv_in, latents, levels[-1])
    x = decoder.mid_block(decoder.conv_in(latents))
    for number, block in enumerate(decoder.up_blocks):
        for resnet in block.resnets:
            if resnet.conv_shortcut is not None:
                _mirror(resnet.conv_shortcut, min(levels[-1 - number].shape[1], resnet.conv_shortcut.in_channels))
            x = resnet(x, None)
        if block.upsamplers:
            x = torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            _fit(block.upsamplers[0].conv, x, levels[-2 - number])
            x = block.upsamplers[0].conv(x)
    _fit(decoder.conv_out, decoder.conv_act(decoder.conv_norm_out(x)), pictures)


def _identity(conv: Any, known: int) -> None:
    """Hands the first channels on; the further ones start small."""
    conv.weight.mul_(0.1)
    middle = conv.kernel_size[0] // 2
    conv.weight[:known] = 0
    for channel in range(min(known, conv.out_channels)):
        conv.weight[channel, channel, middle, middle] = 1
    conv.bias.zero_()


def _mirror(conv: Any, known: int) -> None:
    """Hands the first channels on, and their negatives where there is room: activations keep both halves."""
    _identity(conv, known)
    for channel in range(min(known, conv.out_channels - known)):
        conv.weight[known + channel] = 0
        conv.weight[known + channel, channel, 0, 0] = -1
    spare = conv.bias[2 * known :]
    if 0 < len(spare) < known:  # constants keep the last norm's divisor nearly the same for every picture
        spare[0::2], spare[1::2] = _CONSTANT, -_CONSTANT


def _blocks(x: Tensor, size: int) -> Tensor:
    """Square blocks as rows (blocks, channels · size²)."""
    n, c, h, w = x.shape
    cut = x.reshape(n, c, h // size, size, w // size, size)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(-1, c * size * size)


def _components(rows: Tensor, count: int) -> Tensor:
    """The first principal components, as rows."""
    import torch

    centred = rows - rows.mean(0)
    _, vectors = torch.linalg.eigh(centred.T.double() @ centred.double())
    return vectors.flip(1)[:, :count].T.to(rows.dtype).contiguous()


def _fit(conv: Any, x: Tensor, target: Tensor) -> None:
    """Least squares: the 3×3 convolution that makes the target's channels of x; the further ones start small."""
    import torch

    rows = torch.nn.functional.unfold(x, 3, padding=1).permute(0, 2, 1).reshape(-1, x.shape[1] * 9)
    wanted = target.permute(0, 2, 3, 1).reshape(len(rows), -1)
    kept = torch.from_numpy(np.random.default_rng(0).permutation(len(rows))[:20000])
    rows = torch.cat([rows[kept], torch.ones(len(kept), 1)], 1).double()
    square = rows.T @ rows
    square += _RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    solved = torch.linalg.solve(square, rows.T @ wanted[kept].double()).float().T
    count = min(len(solved), conv.out_channels)
    conv.weight.mul_(0.1)
    conv.bias.zero_()
    conv.weight[:count] = solved[:count, :-1].view(count, -1, 3, 3)
    conv.bias[:count] = solved[:count, -1]
