"""What becomes of a caption each time its picture is shown: dropout, shuffling, kept tokens."""

from __future__ import annotations

import random

from curate import names
from curate.train.options import TrainOptions


def kept(caption: str, trigger: str, separator: str) -> int:
    """How many tags at a caption's start are its folder's trigger words, in its order: they stay in front, never dropped.

    A folder named `zwx dog` holds `zwx dog, brown` (1) and `zwx, dog, brown` (2); in `zwx dog, dog` the second is a tag (1).
    """
    count, rest = 0, trigger
    for tag in caption.split(separator):
        words = names.safe(tag.strip())
        after = rest.removeprefix(words)
        if not tag.strip() or after == rest or after[:1].isalnum():
            break
        count, rest = count + 1, after.lstrip(" ,_")
    return count


def is_fixed(options: TrainOptions) -> bool:
    """Whether every showing of a picture has the same caption."""
    return not (
        options.shuffle or options.tag_dropout or options.caption_dropout or options.caption_dropout_every_n_epochs
    )


def shown(caption: str, trigger: str, options: TrainOptions, epoch: int, draw: random.Random) -> str:
    """The caption of one showing (epoch counted from 0), in kohya's order: dropout, first line, shuffle, tag dropout."""
    every = options.caption_dropout_every_n_epochs
    if every and (epoch + 1) % every == 0:
        return ""
    if options.caption_dropout and draw.random() < options.caption_dropout:
        return ""
    caption = caption.split("\n", 1)[0].strip()
    if not (options.shuffle or options.tag_dropout):
        return caption
    separator = options.caption_separator.strip() or options.caption_separator
    tags = [tag.strip() for tag in caption.split(separator) if tag.strip()]
    keep = options.keep_tokens if options.keep_tokens is not None else kept(caption, trigger, separator)
    fixed, free = tags[:keep], tags[keep:]
    if options.shuffle:
        draw.shuffle(free)
    if options.tag_dropout:
        free = [tag for tag in free if draw.random() >= options.tag_dropout]
    return (f"{separator} " if separator.strip() else separator).join(fixed + free)
