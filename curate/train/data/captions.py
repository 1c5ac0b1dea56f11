"""What becomes of a caption each time its picture is shown: dropout, shuffling, kept tokens."""

from __future__ import annotations

import random

from curate import names
from curate.train.options import TrainOptions


def kept(caption: str, trigger: str, separator: str) -> int:
    """How many tags at a caption's start are its folder's trigger words, in order; these never move or drop.

    A folder named `zwx dog` holds `zwx dog, brown` (1) and `zwx, dog, brown` (2); in `zwx dog, dog` it is 1.
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


def shown(
    caption: str,
    trigger: str,
    options: TrainOptions,
    epoch: int,
    draw: random.Random,
    marked: tuple[int, int] | None = None,
) -> str:
    """The caption of one showing (epoch counted from 0), in kohya's order: dropout, shuffle, tag dropout.

    `marked` are the tags that the caption itself keeps first and last; they come before `keep_tokens`.
    """
    every = options.caption_dropout_every_n_epochs
    if every and (epoch + 1) % every == 0:
        return ""
    if options.caption_dropout and draw.random() < options.caption_dropout:
        return ""
    caption = caption.strip()
    if not (options.shuffle or options.tag_dropout):
        return caption
    separator = options.caption_separator.strip() or options.caption_separator
    tags = [tag.strip() for tag in caption.split(separator) if tag.strip()]
    keep, last = marked or (options.keep_tokens, 0)
    keep = kept(caption, trigger, separator) if keep is None else keep
    end = len(tags) - last
    fixed, free, after = tags[:keep], tags[keep:end], tags[max(keep, end) :]
    if options.shuffle:
        draw.shuffle(free)
    if options.tag_dropout:
        free = [tag for tag in free if draw.random() >= options.tag_dropout]
    return (f"{separator} " if separator.strip() else separator).join(fixed + free + after)
