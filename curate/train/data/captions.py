"""What becomes of a caption each time its picture is shown: dropout, shuffling, kept tokens."""

from __future__ import annotations

import random

from curate import captions, names
from curate.captions import Wording
from curate.train.data.dataset import Picture
from curate.train.data.order import Showing
from curate.train.options import TrainOptions

MOST_WORDINGS = 256
"""Captions of one picture that are looked at one by one; choices multiply."""


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


def drawn(picture: Picture, options: TrainOptions, draw: random.Random) -> Wording:
    """The caption of one showing before anything is dropped: one of the picture's, and of each `{a|b}` in it."""
    wordings = picture.wordings
    wording = wordings[0] if len(wordings) == 1 else draw.choice(wordings)
    return captions.draw(wording, draw, _separator(options)) if options.caption_wildcards else wording


def possible(picture: Picture, options: TrainOptions) -> list[str] | None:
    """Every caption that a picture can have before anything is dropped; None where there are too many."""
    if not options.caption_wildcards:
        return [wording.text for wording in picture.wordings]
    every = captions.possible(picture.wordings, MOST_WORDINGS, _separator(options))
    return None if every is None else [wording.text for wording in every]


def every(picture: Picture, options: TrainOptions) -> list[str]:
    """Every caption that a picture can have; where there are too many, each with the longest of its choices."""
    return possible(picture, options) or longest(picture, options)


def first(picture: Picture, options: TrainOptions) -> str:
    """The first caption that a picture can have, to measure by."""
    wording = picture.wordings[0]
    return captions.first(wording, _separator(options)).text if options.caption_wildcards else wording.text


def longest(picture: Picture, options: TrainOptions) -> list[str]:
    """Each caption of a picture with the longest of its choices."""
    if not options.caption_wildcards:
        return [wording.text for wording in picture.wordings]
    return [captions.longest(wording, _separator(options)).text for wording in picture.wordings]


def of_showing(picture: Picture, showing: Showing, options: TrainOptions) -> str:
    """The caption of one showing of a picture."""
    wording = drawn(picture, options, random.Random(showing.seed(options.seed, "wording")))
    draw = random.Random(showing.seed(options.seed, "caption"))
    return shown(wording.text, picture.words, options, showing.epoch, draw, wording.kept)


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
    separator = _separator(options)
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


def _separator(options: TrainOptions) -> str:
    return options.caption_separator.strip() or options.caption_separator
