"""Names: safe everywhere, unique in a folder, and what a concept's folder is called is read back."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.names import MOST_REPEATS, fold, folder_name, safe, unique, words

names = st.text(max_size=300) | st.sampled_from(
    ["CON", "nul.txt", "-rf", "..", ".", " ", "a/b", "a\\b", "x" * 400, "日" * 200]
)


@given(names)
@example("con .txt")
@example("COM¹")
@example(". .")
@example("-.")
@settings(max_examples=150, deadline=None)
def test_a_safe_name_is_taken_anywhere(name: str) -> None:
    found = safe(name)
    assert found
    assert 0 < len(found.encode()) <= 181
    assert not any(c in found for c in '<>:"/\\|?*\0') and not any(ord(c) < 32 for c in found)
    assert not found.startswith(("-", ".", " ")) and not found.endswith((".", " "))
    assert found.split(".")[0].strip().lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9", "com¹"}
    assert unicodedata.is_normalized("NFC", found)
    assert safe(found) == found


@given(
    st.lists(
        st.tuples(st.sampled_from("aAbé"), st.sampled_from([".png", ".jpg", ".PNG"]), st.sampled_from(["", "jpg"]))
    )
)
@settings(max_examples=60, deadline=None)
def test_no_two_paths_share_a_stem(wanted: list[tuple[str, str, str]]) -> None:
    rows = [(str(n), PurePosixPath("1_x", stem + suffix), hint) for n, (stem, suffix, hint) in enumerate(wanted)]
    paths = unique(rows)
    assert list(paths) == [key for key, _, _ in rows]
    stems = [fold(p.parent / p.stem) for p in paths.values()]
    assert len(set(stems)) == len(stems)
    assert [p.suffix for p in paths.values()] == [suffix for _, suffix, _ in wanted]
    if rows:
        assert paths["0"] == rows[0][1]


@given(st.integers(0, MOST_REPEATS), names)
@settings(max_examples=150, deadline=None)
def test_a_folder_name_that_we_write_is_read_back(repeats: int, text: str) -> None:
    wanted = safe(text)
    read = folder_name(f"{repeats}_{wanted}")
    assert (read.repeats, read.words, read.warning) == (repeats, wanted, "")
    assert folder_name(safe(f"{repeats}_{wanted}")).repeats == repeats


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_folder_name_says_one_thing(name: str) -> None:
    read = folder_name(name)
    assert folder_name(unicodedata.normalize("NFD", name)) == read
    assert read.repeats is None or 0 <= read.repeats <= MOST_REPEATS
    if read.repeats is None:
        assert read.words == unicodedata.normalize("NFC", name)
    else:
        assert read.words == read.words.strip()


@given(st.lists(st.text(max_size=8), max_size=5))
@settings(max_examples=60, deadline=None)
def test_words_are_whole_and_not_empty(parts: list[str]) -> None:
    found = words(", ".join(parts))
    assert words(", ".join(found)) == found
    assert all(word and word == word.strip() for word in found)
