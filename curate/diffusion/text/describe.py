"""A caption as a message to Qwen-VL, which is to describe a picture: the form that Qwen-Image and Krea 2 share."""

from __future__ import annotations

BEFORE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial "
    "relationships of the objects and background:<|im_end|>\n<|im_start|>user\n"
)
"""What stands before the caption."""
AFTER = "<|im_end|>\n<|im_start|>assistant\n"
"""What stands behind it."""
DROPPED = 34
"""Tokens of `BEFORE`: their states are no part of what is kept."""


def message(caption: str) -> str:
    """The caption in its message, up to where the answer begins."""
    return f"{BEFORE}{caption}{AFTER}"
