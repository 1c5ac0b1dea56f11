"""Captions: what is written is read again, what is read is written alike, whatever the text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from curate import captions
from curate.core.record import CaptionStyle, Image, Record

words = st.text("bcdefgxyz0123456789()'-:<>^@", min_size=1, max_size=8)
KEPT = ["0_0", "(o)_(o)", "<|>_<|>", "^_^", "||_||", ";_;", "score_9", "score_8_up", "source_anime"]
tags = st.one_of(
    st.lists(words, min_size=1, max_size=4).map("_".join),
    st.text("bcd_", min_size=1, max_size=6),
    st.sampled_from(KEPT),
)
sentences = st.sampled_from(
    [
        "",
        "A dog is sitting on the grass.",
        "a photo of a cat, looking out of the window",
        "There are two foxes in the snow, one with a red scarf.",
        "The Legend lives on. It is told by the fire!",
    ]
)
styles = st.builds(
    CaptionStyle,
    separator=st.sampled_from([", ", ",", " | ", "; "]),
    underscores=st.sampled_from(["spaces", "keep"]),
    escape=st.booleans(),
    sentence=st.sampled_from(["after", "before"]),
)


def record(*found: str, sentence: str = "", style: CaptionStyle | None = None, trigger: tuple[str, ...] = ()) -> Record:
    return Record(
        "c/a.png", "c", "", Image(""), tags=found, sentence=sentence, style=style or CaptionStyle(), trigger=trigger
    )


@given(
    st.lists(tags, unique=True, max_size=8),
    sentences,
    styles,
    st.sampled_from([(), ("zwx dog",), ("Zwx_Dog", "blue coat")]),
)
def test_what_is_written_is_read_again(
    found: list[str], sentence: str, style: CaptionStyle, trigger: tuple[str, ...]
) -> None:
    all_tags = (*trigger, *(t for t in found if t not in trigger))
    if style.sentence == "before" and len(all_tags) > len(trigger):
        sentence = sentence if not sentence or sentence[-1] in ".!" else sentence + "."
    written = captions.render(record(*all_tags, sentence=sentence, style=style, trigger=trigger))
    assert captions.parse(written, trigger, style) == (all_tags, sentence)


@given(st.lists(st.text(max_size=12), max_size=5), st.text(max_size=40), styles)
def test_a_caption_is_always_one_line(found: list[str], sentence: str, style: CaptionStyle) -> None:
    written = captions.render(record(*found, sentence=sentence, style=style))
    assert len(written.splitlines()) <= 1
    assert written == written.strip()


@given(st.text(max_size=200))
def test_any_text_parses_to_canonical_unique_tags(text: str) -> None:
    found, sentence = captions.parse(text)
    assert len(set(found)) == len(found)
    assert all(t and not any(c.isspace() for c in t) for t in found)
    assert len(sentence.splitlines()) <= 1


@given(st.text(max_size=200) | st.lists(tags | sentences, max_size=6).map(", ".join), styles)
@settings(max_examples=200, deadline=None)
def test_read_and_written_once_a_caption_stays_as_it_is(text: str, style: CaptionStyle) -> None:
    """A run over its own output changes nothing: read → write is a fixed point from the second time on."""

    def rewritten(caption: str) -> str:
        read, sentence = captions.parse(caption, style=style)
        return captions.render(record(*read, sentence=sentence, style=style))

    once = rewritten(rewritten(text))
    assert rewritten(once) == once


@given(tags)
def test_a_tag_with_spaces_is_the_tag_again(tag: str) -> None:
    assert captions.canonical(tag) == tag
    assert captions.canonical(captions.spaced(tag)) == tag
