"""Names: what any file system takes, and no two that one of them takes for the same."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from curate.names import fold, folder_name, safe, unique, words


def test_one_name_in_two_forms_is_one() -> None:
    assert safe("u\u0308") == safe("ü") == "ü"
    assert safe("zwx dog, blue robe") == "zwx dog, blue robe"


def test_forms_and_cases_of_one_name_are_told_apart() -> None:
    wanted = [
        ("1", PurePosixPath("d/ü.png"), ""),
        ("2", PurePosixPath("d/u\u0308.png"), ""),
        ("3", PurePosixPath("d/Ü.png"), ""),
    ]
    assert len({fold(p) for p in unique(wanted).values()}) == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("3_zwx dog, outfit", (3, "zwx dog, outfit")),
        ("dog", (None, "dog")),
        ("0_dog", (0, "dog")),
        ("3_", (3, "")),
        ("12_3_x", (12, "3_x")),
        ("1_u\u0308", (1, "ü")),
        ("-1_x", (None, "-1_x")),
        ("2.5_x", (None, "2.5_x")),
        ("00_off", (0, "off")),
        (" 7_x", (7, "x")),
        ("10 robe", (10, "robe")),
        ("0 off", (0, "off")),
        ("10-robe", (None, "10-robe")),
        ("2girls", (None, "2girls")),
        ("2024 trip", (None, "2024 trip")),
        ("007 suit", (None, "007 suit")),
        ("20240101_trip", (None, "20240101_trip")),
    ],
)
def test_folder_names_say_repeats_and_words(name: str, expected: tuple[int | None, str]) -> None:
    assert (folder_name(name).repeats, folder_name(name).words) == expected


@pytest.mark.parametrize("name", ["10 robe", "3 piece suit", "0 off", "20240101_trip", "1  x"])
def test_a_doubtful_folder_name_is_told(name: str) -> None:
    assert name in folder_name(name).warning
    assert not folder_name(f"1_{name}").warning
    assert folder_name(f"1_{name}").words == name


def test_words_are_comma_separated() -> None:
    assert words("zwx dog,  blue robe,,") == ("zwx dog", "blue robe")
